"""The record that carries a reply."""

from dataclasses import dataclass
from typing import Protocol

from carteiro.schemas.reply import ReplySchema
from carteiro.wire.cloudevents import reply_event
from carteiro.wire.envelope import Envelope
from carteiro.wire.record import Headers, OutgoingRecord


@dataclass(frozen=True, slots=True)
class EncodedReply:
    """The value of a reply's record, and the headers that tell its format."""

    value: bytes
    content_type: bytes = b"application/json"
    headers: Headers = ()


class ReplyEncoder(Protocol):
    """Format of the replies to one request."""

    def encode(self, reply: ReplySchema) -> EncodedReply:
        """Return an encoded reply or chunk of a reply."""


class JsonReplyEncoder:
    """The format of replies without a schema."""

    def encode(self, reply: ReplySchema) -> EncodedReply:
        return EncodedReply(reply.model_dump_json().encode())


JSON_REPLIES = JsonReplyEncoder()


def reply_record(
    envelope: Envelope,
    task: str,
    reply: EncodedReply,
    *,
    topic: str,
    partition: int | None,
    trace: dict[str, str],
    seq: int | None = None,
    final: bool = True,
) -> OutgoingRecord:
    """Return the record for an encoded reply.

    `seq` is the record's number in a streamed reply; the `final` record is the whole reply. The record has the
    request's key and its identifying headers. It has no other header of the request: a Spring reader would take the
    request's type headers for those of the reply. A reply always has `content-type`, which readers of CloudEvents need.
    """
    headers = list(envelope.echo_headers)
    headers += [(name, text.encode()) for name, text in trace.items()]
    if seq is not None:
        headers += [("seq", str(seq).encode()), ("final", b"true" if final else b"false")]
    value = reply.value
    if envelope.event:
        value, event_headers = reply_event(
            envelope.event, task, value, trace, envelope.request_id, content_type=reply.content_type
        )
        headers += event_headers
    else:
        headers.append(("content-type", reply.content_type))
    return OutgoingRecord(topic, partition, envelope.key, value, [*headers, *reply.headers])
