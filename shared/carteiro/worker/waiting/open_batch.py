"""What is kept of a partition's batches in their topic, so that whoever serves it next finds them again. Pure."""

import itertools
import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass

from carteiro.worker.delivery.ledger import Ledger

LEDGER = b"ledger"
"""The key under which the partition's ledger is kept: a commit's metadata would not hold it."""
OFFICE = b"office"
"""The key under which the partition has its name, random and never changed, with which its batches' names begin."""
_NOT_BATCHES = (LEDGER, OFFICE)


@dataclass(slots=True)
class OpenBatch:
    """A batch whose file is with the provider, until all its requests are answered. `id` is the provider's, once it is
    submitted."""

    name: str
    model: str
    file: str
    lines: list[str]
    made_at: float
    """Seconds since 1970."""
    id: str | None = None
    given_up: bool = False
    """Whether it is not submitted any more: its requests have gone on without it."""

    @property
    def key(self) -> bytes:
        """The key under which it is kept."""
        return self.name.encode()

    def encode(self) -> bytes:
        """JSON; with 50,000 lines it still fits a record."""
        lines = b64encode(zlib.compress("\n".join(self.lines).encode())).decode()
        kept = {"v": 1, "name": self.name, "model": self.model, "file": self.file, "id": self.id}
        kept |= {"given_up": self.given_up}
        return json.dumps(kept | {"made_at": self.made_at, "count": len(self.lines), "lines": lines}).encode()


def decode_batch(value: bytes) -> OpenBatch:
    """Raises `ValueError` for what a later version has written."""
    kept = json.loads(value)
    if kept.get("v") != 1:
        raise ValueError("written by a later version")
    lines = zlib.decompress(b64decode(kept["lines"])).decode().split("\n")
    return OpenBatch(kept["name"], kept["model"], kept["file"], lines, kept["made_at"], kept["id"], kept["given_up"])


def batches_of(kept: Mapping[bytes, bytes]) -> list[OpenBatch]:
    """The open batches among what is kept of a partition."""
    return [decode_batch(value) for key, value in kept.items() if key not in _NOT_BATCHES]


def encode_ledger(ledger: Ledger) -> bytes:
    """All of a ledger."""
    still_open = list(ledger.still_open)
    deltas = [later - earlier for earlier, later in itertools.pairwise([0, *still_open])]
    packed = b64encode(zlib.compress(json.dumps(deltas).encode())).decode()
    return json.dumps({"v": 1, "end": ledger.end, "open": packed}).encode()


def decode_ledger(value: bytes | None) -> Ledger:
    """The ledger that was kept; an empty one where none was."""
    if value is None:
        return Ledger()
    kept = json.loads(value)
    deltas = json.loads(zlib.decompress(b64decode(kept["open"])))
    return Ledger(kept["end"], itertools.accumulate(deltas))
