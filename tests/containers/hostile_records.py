"""Record batches that are meant to harm a worker, made by chance from a seed, so that a run can be repeated."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode

from tests.containers.hostile_requests import HostileRequest, HostileRequestGenerator
from tests.unit.wire.record_batches.batch_builder import (
    GZIP,
    LZ4,
    SNAPPY,
    ZSTD,
    compression_bomb,
    encode_record,
    legacy_message,
    with_checksum,
    wrap_payload,
)

CODECS: dict[int, Callable[[bytes], bytes]] = {
    0: bytes,
    GZIP: gzip_encode,
    SNAPPY: snappy_encode,
    LZ4: lz4_encode,
    ZSTD: zstd_encode,
}
_YEAR_9999 = 253_402_300_799_000
_MAX_BYTES = 1_000_000


@dataclass(frozen=True, kw_only=True)
class HostileBatch:
    """An encoded record batch. With `readable`, each of its records must get one reply; otherwise at most one."""

    family: str
    raw: bytes
    records: int
    readable: bool = True


class HostileBatchGenerator:
    """Generator of batches for one task. `names` are the reply topics that requests name.

    `without` has the names of families that are left out.
    """

    def __init__(self, task: str, seed: int, names: Iterable[bytes], without: Iterable[str] = ()) -> None:
        self._chance = random.Random(f"{seed} {task}")
        self._requests = HostileRequestGenerator(task, self._chance, names)
        self._families = [family for family in self._requests.families if family not in without]
        whole = {"burst": self._burst, "broken batch": self._broken, "bomb": self._bomb, "trailing": self._trailing}
        self._batch_makers = {family: make for family, make in whole.items() if family not in without}

    def batch(self, now: int) -> HostileBatch:
        """Return the next batch. `now` is the time in milliseconds since 1970."""
        if not self._families or (self._batch_makers and self._chance.random() < 0.1):
            return self._pick(list(self._batch_makers.values()))(now)
        family = self._pick(self._families)
        requests = [self._requests.make(family) for _ in range(self._pick([1, 2, 5, 20, 40]))]
        # A batch larger than the topic accepts would be refused as a whole.
        while len(requests) > 1 and sum(each.size for each in requests) > _MAX_BYTES:
            requests = requests[: len(requests) // 2]
        return self._packed(family, requests, self._time(family, now))

    def _packed(
        self, family: str, requests: Sequence[HostileRequest], timestamp: int, codec: int | None = None
    ) -> HostileBatch:
        payload = b"".join(
            encode_record(number, each.key, each.value, each.headers) for number, each in enumerate(requests)
        )
        codec = self._pick(list(CODECS)) if codec is None else codec
        return HostileBatch(
            family=family,
            raw=_stamped(wrap_payload(CODECS[codec](payload), len(requests), codec), timestamp),
            records=len(requests),
        )

    def _time(self, family: str, now: int) -> int:
        ends = [-1, 0, 1, now // 1000, now - 86_400_000, now + 120_000, _YEAR_9999]
        return self._pick(ends) if family == "times" else now

    def _burst(self, now: int) -> HostileBatch:
        key = self._pick([b"the one key", None])
        return self._packed("burst", [HostileRequest(value=self._requests.valid(), key=key) for _ in range(200)], now)

    def _trailing(self, now: int) -> HostileBatch:
        """Return a batch with bytes after the compressed stream, which Kafka accepts."""
        batch = self._packed(
            "trailing", [HostileRequest(value=self._requests.valid())] * 3, now, self._pick([GZIP, LZ4])
        )
        return HostileBatch(family="trailing", raw=with_checksum(batch.raw + self._chance.randbytes(20)), records=3)

    def _broken(self, now: int) -> HostileBatch:
        """Return a batch that cannot be unpacked, or whose header is wrong. Kafka refuses many of these."""
        batch = self._packed("broken batch", [HostileRequest(value=self._requests.valid()) for _ in range(5)], now)
        raw, kind = bytearray(batch.raw), self._chance.randrange(6)
        if kind == 0:  # Bits of the payload.
            for _ in range(self._pick([1, 10])):
                raw[self._chance.randrange(61, len(raw))] ^= 1 << self._chance.randrange(8)
        elif kind == 1:  # The codec.
            raw[22] = self._chance.randrange(8)
        elif kind == 2:  # The number of records.
            raw[57:61] = self._pick([0, 1, 6, 2**31 - 1, 2**32 - 1]).to_bytes(4, "big")
        elif kind == 3:  # The last offset.
            raw[23:27] = self._pick([0, 5, 1000]).to_bytes(4, "big")
        elif kind == 4:
            del raw[self._chance.randrange(61, len(raw)) :]
        else:
            raw[:] = b"".join(
                legacy_message(self._chance.randrange(2), number, None, b"{}", number) for number in range(3)
            )
            return HostileBatch(family="broken batch", raw=bytes(raw), records=3, readable=False)
        broken = bytes(raw) if self._chance.random() < 0.1 else with_checksum(bytes(raw))
        return HostileBatch(family="broken batch", raw=broken, records=5, readable=False)

    def _bomb(self, now: int) -> HostileBatch:
        kinds = [(ZSTD, 64), (GZIP, 32), (LZ4, 64), (SNAPPY, 15)]
        codec, megabytes = (ZSTD, 1300) if self._chance.random() < 0.05 else self._pick(kinds)
        return HostileBatch(family="bomb", raw=_stamped(_bomb(codec, megabytes), now), records=1)

    def _pick(self, choices: Sequence[Any]) -> Any:
        return self._chance.choice(choices)


def _stamped(raw: bytes, timestamp: int) -> bytes:
    """Return the batch with this timestamp as its first and last."""
    return with_checksum(raw[:27] + timestamp.to_bytes(8, "big", signed=True) * 2 + raw[43:])


@cache
def _bomb(codec: int, megabytes: int) -> bytes:
    return compression_bomb(codec, megabytes, b"bomb")
