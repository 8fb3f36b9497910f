"""What is kept of a conversation, and the record that it is kept in.

The record's key is the conversation's id in UTF-8; its value is JSON, or null where the conversation was deleted. The
topic is compacted: the last record of a key is the conversation.
"""

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from carteiro.schemas import ChatMessage
from carteiro.wire.envelope import Envelope
from carteiro.wire.record import OutgoingRecord


class UnknownForm(Exception):
    """A record's value is not a conversation, or one that a newer version wrote."""


class _Kept(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)


class Turn(_Kept):
    """One request's messages, and the answer to them."""

    request_id: str
    """The request record's place: `topic/partition/offset`."""
    sending: str | None = None
    """What a request with an `idempotency_key` has in common with its other sendings."""
    messages: tuple[ChatMessage, ...]

    def is_of(self, request_id: str, sending: str | None) -> bool:
        """Whether it is the turn of this request, served or sent before."""
        return self.request_id == request_id or (sending is not None and self.sending == sending)


class History(_Kept):
    """A conversation."""

    version: Literal[1] = 1
    system: str | None = None
    """The system message, the last that was given."""
    turns: tuple[Turn, ...] = ()
    """The oldest first."""

    def around(self, request_id: str, sending: str | None) -> tuple[tuple[Turn, ...], tuple[Turn, ...]]:
        """The turns before and after that of a request; all and none where it has none yet."""
        for place, turn in enumerate(self.turns):
            if turn.is_of(request_id, sending):
                return self.turns[:place], self.turns[place + 1 :]
        return self.turns, ()


def read_history(value: bytes) -> History:
    """The conversation in a record's value. Raises `UnknownForm`."""
    try:
        return History.model_validate_json(value)
    except ValidationError:
        raise UnknownForm from None


def sending_of(envelope: Envelope) -> str | None:
    """What all sendings of one request under an `idempotency_key` have in common; None without such a key."""
    if envelope.idempotency_key is None:
        return None
    key = hashlib.sha256(envelope.idempotency_key).digest()
    return hashlib.sha256(key + envelope.body).hexdigest()[:32]


def conversation_record(topic: str, partition: int, key: bytes, history: History) -> OutgoingRecord:
    """The record that keeps a conversation."""
    return OutgoingRecord(topic, partition, key, history.model_dump_json(exclude_none=True).encode(), [])
