"""Records as a broker delivers them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FakeRecord:
    value: bytes | None = b'{"text": "Hello."}'
    headers: tuple[tuple[str, bytes], ...] = ()
    key: bytes | None = None
    topic: str = "llm.summarize.requests"
    partition: int = 2
    offset: int = 17
    timestamp: int = 1_767_225_600_000  # 2026-01-01T00:00:00Z
    timestamp_type: int = 0


@dataclass(frozen=True)
class UnreadRecord(FakeRecord):
    """A record that is too large, so it is read without its value."""

    serialized_value_size: int = 5_000_000
