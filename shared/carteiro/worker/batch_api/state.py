"""The stored state of a partition's batches, by which its next owner finds them again. Pure functions."""

import itertools
import json
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import structlog
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from carteiro.ledger.ledger import Ledger
from carteiro.worker.batch_api.stage import TRANSITIONS, BatchStage

log = structlog.get_logger("carteiro.worker")

LEDGER_KEY = b"ledger"
"""Record key of the partition's ledger, which is too large for a commit's metadata."""
NAME_PREFIX_KEY = b"name_prefix"
"""Record key of the partition's name prefix: random, constant, the start of its batches' names."""
_MAX_UNPACKED = 64 * 2**20
"""Largest uncompressed value, in bytes. 50,000 items have 3 MB."""
_ITEM_ID = re.compile(r"\d{1,19}-[0-9a-f]{16}-\d{1,3}", re.ASCII)
_NAME_PREFIX = re.compile(r"[0-9a-f]{12}")
_DELTAS = TypeAdapter(list[int])
_RESERVED_KEYS = (LEDGER_KEY, NAME_PREFIX_KEY)


@dataclass(frozen=True, slots=True)
class BatchState:
    """State of a batch from the upload of its file until all its requests are finished."""

    name: str
    model: str
    file: str
    item_ids: tuple[str, ...]
    created_at: float
    """Seconds since 1970."""
    provider_id: str | None = None
    """The provider's id of the batch; None until it is submitted."""
    stage: BatchStage = BatchStage.UPLOADED

    @property
    def key(self) -> bytes:
        """The record key of the state."""
        return self.name.encode()

    def advance(self, stage: BatchStage, **changes: Any) -> "BatchState":
        """Return the state in the next stage, with `changes` of other fields.

        Raise `ValueError` if the transition is not allowed.
        """
        if stage not in TRANSITIONS[self.stage]:
            raise ValueError(f"batch {self.name} cannot go from {self.stage.name} to {stage.name}")
        return replace(self, stage=stage, **changes)

    def encode(self) -> bytes:
        """Return the state as JSON. With 50,000 items it still fits a record."""
        packed_ids = b64encode(zlib.compress("\n".join(self.item_ids).encode())).decode()
        fields = {"v": 1, "name": self.name, "model": self.model, "file": self.file, "id": self.provider_id}
        fields |= {"stage": self.stage.value}
        return json.dumps(
            fields | {"made_at": self.created_at, "count": len(self.item_ids), "lines": packed_ids}
        ).encode()


def decode_batch(value: bytes) -> BatchState | None:
    """Return the batch in a record's value; None if it is not a batch of this service.

    Raise `ValueError` if a later version wrote it.
    """
    try:
        version = _VersionField.model_validate_json(value).v
    except ValidationError:
        return None
    if version > 1:
        raise ValueError("written by a later version")
    try:
        fields = _BatchRecord.model_validate_json(value)
        item_ids = tuple(_decompress(fields.lines).decode().split("\n"))
        if not all(_ITEM_ID.fullmatch(identifier) for identifier in item_ids):
            return None
    except ValueError:
        return None
    return BatchState(fields.name, fields.model, fields.file, item_ids, fields.made_at, fields.id, fields.stage)


def decode_batches(stored: Mapping[bytes, bytes]) -> list[BatchState]:
    """Return the open batches in the stored state of a partition. Records of another origin are skipped."""
    batches = []
    for key, value in stored.items():
        if key in _RESERVED_KEYS:
            continue
        if (batch := decode_batch(value)) is None or batch.key != key:
            log.warning("a record on the topic of batches is not of this service; it is passed over", key=key[:100])
        else:
            batches.append(batch)
    return batches


def decode_name_prefix(stored: Mapping[bytes, bytes]) -> str | None:
    """Return the partition's name prefix; None if it has no prefix yet, or a record of another origin."""
    name = stored.get(NAME_PREFIX_KEY, b"").decode(errors="replace")
    return name if _NAME_PREFIX.fullmatch(name) else None


def _decompress(text: str) -> bytes:
    """Return the uncompressed bytes. Raise `ValueError` if they are invalid, or more than `_MAX_UNPACKED`."""
    unpacking = zlib.decompressobj()
    try:
        data = unpacking.decompress(b64decode(text, validate=True), _MAX_UNPACKED)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not unpacking.eof:
        raise ValueError("too long, or cut")
    return data


class _VersionField(BaseModel):
    v: int


class _BatchRecord(BaseModel):
    model_config = ConfigDict(strict=True)

    name: str
    model: str
    file: str
    id: str | None
    stage: Annotated[BatchStage, Field(strict=False)]
    made_at: float
    lines: str


def encode_ledger(ledger: Ledger) -> bytes:
    """Return the whole ledger as JSON."""
    still_open = list(ledger.unfinished)
    deltas = [later - earlier for earlier, later in itertools.pairwise([0, *still_open])]
    packed = b64encode(zlib.compress(json.dumps(deltas).encode())).decode()
    return json.dumps({"v": 1, "end": ledger.next_unseen, "open": packed}).encode()


def decode_ledger(value: bytes | None) -> Ledger:
    """Return the stored ledger; an empty ledger if nothing is stored, or if the record has another origin."""
    if value is None:
        return Ledger()
    try:
        fields = _LedgerRecord.model_validate_json(value)
        still_open = list(itertools.accumulate(_DELTAS.validate_json(_decompress(fields.open))))
        if any(later <= earlier for earlier, later in itertools.pairwise([-1, *still_open, fields.end])):
            raise ValueError("offsets out of order")
    except ValueError:
        log.warning("a ledger on the topic of batches is not of this service; it is passed over")
        return Ledger()
    return Ledger(fields.end, still_open)


class _LedgerRecord(BaseModel):
    model_config = ConfigDict(strict=True)

    end: int
    open: str
