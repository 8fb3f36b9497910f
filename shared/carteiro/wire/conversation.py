"""The stored history of a conversation, and the record that holds it.

The record's key is the conversation's id in UTF-8. Its value is JSON, or null if the conversation was deleted. The
topic is compacted: the last record of a key is the conversation.
"""

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from carteiro.schemas.chat import ChatMessage
from carteiro.wire.envelope import Envelope
from carteiro.wire.record import OutgoingRecord


class UnknownHistoryFormat(Exception):
    """A record's value is not a conversation, or a newer version wrote it."""


class _StoredModel(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)


class Turn(_StoredModel):
    """The messages of one request, and the answer to them."""

    request_id: str
    """Id of the request record: `topic/partition/offset`."""
    sending: str | None = None
    """Fingerprint that all sendings of a request with the same `idempotency_key` share."""
    messages: tuple[ChatMessage, ...]

    def belongs_to(self, request_id: str, fingerprint: str | None) -> bool:
        """True if this is the turn of the request, in this or an earlier sending."""
        return self.request_id == request_id or (fingerprint is not None and self.sending == fingerprint)


class History(_StoredModel):
    """A stored conversation."""

    version: Literal[1] = 1
    system: str | None = None
    """The latest system message."""
    turns: tuple[Turn, ...] = ()
    """Turns, the oldest first."""

    def split_at(self, request_id: str, fingerprint: str | None) -> tuple[tuple[Turn, ...], tuple[Turn, ...]]:
        """Return the turns before and after the turn of a request; all and none if the request has no turn yet."""
        for index, turn in enumerate(self.turns):
            if turn.belongs_to(request_id, fingerprint):
                return self.turns[:index], self.turns[index + 1 :]
        return self.turns, ()


def read_history(value: bytes) -> History:
    """Return the conversation in a record's value. Raise `UnknownHistoryFormat` if it cannot be read."""
    try:
        return History.model_validate_json(value)
    except ValidationError:
        raise UnknownHistoryFormat from None


def idempotency_fingerprint(envelope: Envelope) -> str | None:
    """Return the fingerprint that all sendings of a request with its `idempotency_key` share; None without a key."""
    if envelope.idempotency_key is None:
        return None
    key = hashlib.sha256(envelope.idempotency_key).digest()
    return hashlib.sha256(key + envelope.body).hexdigest()[:32]


def conversation_record(topic: str, partition: int, key: bytes, history: History) -> OutgoingRecord:
    """Return the record that holds a conversation."""
    return OutgoingRecord(topic, partition, key, history.model_dump_json(exclude_none=True).encode(), [])
