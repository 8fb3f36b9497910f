"""Records that contenders are given, and how a right reply to one is told."""

from collections.abc import Callable
from dataclasses import dataclass

PROMPT = "Write one sentence about a lighthouse keeper and the sea, for request number {}."


@dataclass(frozen=True, slots=True)
class RecordKind:
    """A kind of records. `make_value` takes the record's number."""

    make_value: Callable[[int], bytes]
    is_ok: Callable[[bytes], bool]
    """True if the value of a reply is right."""


def _request(number: int) -> bytes:
    return b'{"prompt": "%s"}' % PROMPT.format(number).encode()


REQUESTS = RecordKind(_request, lambda reply: b'"ok"' in reply)
