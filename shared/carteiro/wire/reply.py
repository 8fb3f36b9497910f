"""The record that carries a reply."""

from carteiro.wire.cloudevents import reply_event
from carteiro.wire.envelope import Envelope
from carteiro.wire.record import OutgoingRecord


def reply_record(
    envelope: Envelope,
    task: str,
    value: bytes,
    *,
    topic: str,
    partition: int | None,
    trace: dict[str, str],
    seq: int | None = None,
    final: bool = True,
) -> OutgoingRecord:
    """The record for a reply's JSON. `seq` is its number where it is streamed, the `final` one of which is the whole.

    It has the request's key, and of its headers those that identify it: never others, for a Spring reader
    would take the type headers of the request for those of the reply. A reply always has `content-type`;
    readers of CloudEvents need it.
    """
    headers = list(envelope.echo)
    headers += [(name, text.encode()) for name, text in trace.items()]
    if seq is not None:
        headers += [("seq", str(seq).encode()), ("final", b"true" if final else b"false")]
    if envelope.event:
        value, event_headers = reply_event(envelope.event, task, value, trace, envelope.request_id)
        headers += event_headers
    else:
        headers.append(("content-type", b"application/json"))
    return OutgoingRecord(topic, partition, envelope.key, value, headers)
