"""How a ledger is written into the metadata of an offset commit.

Kafka keeps a string of up to 4,096 bytes with each committed offset (`offset.metadata.max.bytes`). Ours is a
version, then numbers as variable-length integers (LEB128), in base64: the owner, the strikes, who is alone, who are
together or apart, then the end of the ledger and its open offsets, each as the difference from the one before.
"""

import itertools
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator

from carteiro.worker.delivery.ledger import Ledger
from carteiro.worker.delivery.suspects import Suspects

MOST_BYTES = 4096
"""Most bytes of metadata that a broker keeps unless told otherwise."""
MOST_OPEN = 700
"""Open offsets that always fit, whatever their distances: nine digits of seven bits hold every offset there is,
but the distances add up to less than the partition's length, so four bytes each are more than enough."""

_VERSION = "2"
_MOST_RAW = (MOST_BYTES - len(_VERSION)) // 4 * 3


class MetadataUnreadable(ValueError):
    """Metadata that we did not write, or that a later version did."""


def encode(ledger: Ledger, suspects: Suspects) -> tuple[int, str]:
    """The offset to commit and its metadata.

    A ledger that is too large is cut: finished requests at its far end are then forgotten, and done again by the
    next owner. It never claims to be finished what is not.
    """
    end = ledger.end
    still_open = list(ledger.still_open)
    while still_open and still_open[-1] == end - 1:  # what is open at the far end is as good as not seen
        end = still_open.pop()
    low = still_open[0] if still_open else end
    strikes = [last for last in suspects.strikes if last >= low]
    raw = _varints(
        [suspects.owner, len(strikes)]
        + [later - earlier for earlier, later in itertools.pairwise([low, *strikes])]
        + [suspects.deaths_alone]
        + [max(mark - low + 1, 0) for mark in (suspects.alone, suspects.together, suspects.apart)]
    )
    deltas = [_varints([later - earlier]) for earlier, later in itertools.pairwise(still_open)]
    room = _MOST_RAW - len(raw) - 10
    for count, delta in enumerate(deltas):
        room -= len(delta)
        if room < 0:
            end = still_open[count + 1]
            del deltas[count:]
            break
    raw += _varints([end - low]) + b"".join(deltas)
    return low, _VERSION + b64encode(raw).decode()


def recover(offset: int, metadata: str) -> tuple[Ledger, Suspects]:
    """The same as `decode`; metadata that cannot be read, or is somebody else's, counts as none."""
    try:
        return decode(offset, metadata)
    except MetadataUnreadable:
        return Ledger(offset), Suspects()


def decode(offset: int, metadata: str) -> tuple[Ledger, Suspects]:
    """The ledger and the suspects of a committed offset. Raises `MetadataUnreadable`."""
    if not metadata:
        return Ledger(offset), Suspects()
    try:
        if not metadata.startswith(_VERSION):
            raise ValueError("unknown version")
        numbers = _numbers(b64decode(metadata[len(_VERSION) :], validate=True))
        suspects = Suspects(owner=next(numbers))
        last = offset
        for _ in range(next(numbers)):
            last += next(numbers)
            suspects.strikes.append(last)
        suspects.deaths_alone = next(numbers)
        marks = [offset + mark - 1 if mark else -1 for mark in itertools.islice(numbers, 3)]
        suspects.alone, suspects.together, suspects.apart = marks
        end = offset + next(numbers)
        still_open = [offset] if end > offset else []
        for delta in numbers:
            still_open.append(still_open[-1] + delta)
        if not all(a < b for a, b in itertools.pairwise([*still_open, end])):
            raise ValueError("offsets out of order")
    except (ValueError, StopIteration, IndexError) as error:
        raise MetadataUnreadable(str(error) or "ends early") from None
    return Ledger(end, still_open), suspects


def _varints(numbers: Iterable[int]) -> bytes:
    out = bytearray()
    for number in numbers:
        rest = number
        while rest > 0x7F:
            out.append(rest & 0x7F | 0x80)
            rest >>= 7
        out.append(rest)
    return bytes(out)


def _numbers(raw: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in raw:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield number
            number = shift = 0
    if shift:
        raise ValueError("ends within a number")
