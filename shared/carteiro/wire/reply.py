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
    """Return the record for a reply's JSON.

    `seq` is the record's number in a streamed reply; the `final` record is the whole reply. The record has the
    request's key and its identifying headers. It has no other header of the request: a Spring reader would take the
    request's type headers for those of the reply. A reply always has `content-type`, which readers of CloudEvents need.
    """
    headers = list(envelope.echo_headers)
    headers += [(name, text.encode()) for name, text in trace.items()]
    if seq is not None:
        headers += [("seq", str(seq).encode()), ("final", b"true" if final else b"false")]
    if envelope.event:
        value, event_headers = reply_event(envelope.event, task, value, trace, envelope.request_id)
        headers += event_headers
    else:
        headers.append(("content-type", b"application/json"))
    return OutgoingRecord(topic, partition, envelope.key, value, headers)
