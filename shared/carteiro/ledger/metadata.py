"""Encoding of a ledger in the metadata of an offset commit.

Kafka keeps a string of up to 4,096 bytes with each committed offset (`offset.metadata.max.bytes`). Carteiro's metadata
is a version character, then base64 of variable-length integers (LEB128): the topic's identity, the committed offset,
the checkpoint, the owner, the crash marks, the counters and offsets of the crash tracker, then the end of the ledger
and its unfinished offsets. Each unfinished offset is stored as the difference from the previous one.

The metadata repeats the committed offset because other programs copy metadata: MirrorMaker 2 writes it next to the
offset that it translated for another cluster. Metadata with another offset than its commit is not read.
"""

import itertools
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from carteiro.ledger.crash_tracker import CrashTracker
from carteiro.ledger.ledger import Ledger

MAX_METADATA_BYTES = 4096
"""Bytes of metadata that a broker keeps with each committed offset by default (`offset.metadata.max.bytes`)."""
MIN_METADATA_BYTES = 48
"""Bytes of metadata below which none is written."""
MAX_UNFINISHED = 700
"""Number of unfinished offsets that always fit, at any distances.

Nine digits of seven bits hold every offset. But the sum of the distances is less than the length of the partition, so
four bytes for each distance are more than enough.
"""

_VERSION = "3"
_OLD_VERSION = "2"
"""Format without identity, offset and isolated batches, and with three offset fields."""
_OFFSET_FIELDS = ("isolated", "group_upto", "isolate_upto", "isolated_batch")
"""Offset fields of the crash tracker, -1 for none. Add new fields at the end: older versions skip them."""
_OLD_OFFSET_FIELDS = 3
_OVERHEAD_BYTES = 128
"""Bytes for everything except unfinished offsets, plus two unfinished offsets."""


class MetadataUnreadable(ValueError):
    """The metadata was not written by a worker, is of a later version, or belongs to another offset."""


@dataclass(frozen=True, slots=True)
class TopicIdentity:
    """A topic in its cluster: 32-bit hashes of both ids. 0 means that the id is unknown."""

    cluster: int = 0
    topic: int = 0


@dataclass(frozen=True, slots=True)
class EpochCheckpoint:
    """A statement about a log: all records before `offset` were written in leader epoch `epoch` or earlier.

    `epoch` is -1 if it is unknown. If a later leader's log ends that epoch at a lower offset, the log was cut there
    (KIP-320).
    """

    epoch: int = -1
    offset: int = 0


@dataclass(frozen=True, slots=True)
class CommitContent:
    """Decoded metadata of a commit. `identity` is the identity of the topic for which it was written."""

    ledger: Ledger
    crash_tracker: CrashTracker
    identity: TopicIdentity
    checkpoint: EpochCheckpoint


NO_IDENTITY, NO_CHECKPOINT = TopicIdentity(), EpochCheckpoint()


def encode_metadata(
    ledger: Ledger,
    crash_tracker: CrashTracker,
    identity: TopicIdentity = NO_IDENTITY,
    checkpoint: EpochCheckpoint = NO_CHECKPOINT,
    *,
    limit: int = MAX_METADATA_BYTES,
) -> tuple[int, str]:
    """Return the offset to commit and its metadata of at most `limit` bytes.

    A ledger that is too large is cut at its end: the next owner then serves the finished requests after the cut again.
    The metadata never marks an unfinished request as finished.
    """
    end = ledger.next_unseen
    unfinished = list(ledger.unfinished)
    # Unfinished offsets at the end need no space: the next owner serves them in any case, as unseen offsets.
    while unfinished and unfinished[-1] == end - 1:
        end = unfinished.pop()
    low = unfinished[0] if unfinished else end
    crash_marks = [last for last in crash_tracker.crash_marks if last >= low]
    raw = _encode_varints(
        [
            identity.cluster,
            identity.topic,
            low,
            checkpoint.epoch + 1,
            checkpoint.offset,
            crash_tracker.owner,
            len(crash_marks),
        ]
        + [later - earlier for earlier, later in itertools.pairwise([low, *crash_marks])]
        + [crash_tracker.isolated_starts, crash_tracker.isolated_batch_starts, len(_OFFSET_FIELDS)]
        + [max(getattr(crash_tracker, field) - low + 1, 0) for field in _OFFSET_FIELDS]
    )
    deltas = [_encode_varints([later - earlier]) for earlier, later in itertools.pairwise(unfinished)]
    if limit < MIN_METADATA_BYTES:
        return low, ""
    room = (limit - len(_VERSION)) // 4 * 3 - len(raw) - 10
    for count, delta in enumerate(deltas):
        room -= len(delta)
        if room < 0:
            end = unfinished[count + 1]
            del deltas[count:]
            break
    raw += _encode_varints([end - low]) + b"".join(deltas)
    metadata = _VERSION + b64encode(raw).decode()
    return low, metadata if len(metadata) <= limit else ""


def fits_one_more(ledger: Ledger, limit: int = MAX_METADATA_BYTES) -> bool:
    """Return True if the ledger with one more unfinished offset fits into `limit` bytes of metadata."""
    room = (limit - len(_VERSION)) // 4 * 3 - _OVERHEAD_BYTES
    # A distance takes at most one byte, and one more for each 128 in it.
    if len(ledger.unfinished) + (ledger.next_unseen - ledger.committable) // 128 < room:
        return True
    distances = (later - earlier for earlier, later in itertools.pairwise(ledger.unfinished))
    raw = sum(max((distance.bit_length() + 6) // 7, 1) for distance in distances)
    return raw < room


def decode_or_default(offset: int, metadata: str) -> tuple[Ledger, CrashTracker]:
    """Decode as `decode_metadata` does, but treat unreadable metadata as empty."""
    try:
        return decode_metadata(offset, metadata)
    except MetadataUnreadable:
        return Ledger(offset), CrashTracker()


def decode_metadata(offset: int, metadata: str) -> tuple[Ledger, CrashTracker]:
    """Return the ledger and the crash tracker of a committed offset; empty ones if there is no metadata.

    Raise `MetadataUnreadable`.
    """
    if not metadata:
        return Ledger(offset), CrashTracker()
    content = decode_commit(offset, metadata)
    return content.ledger, content.crash_tracker


def decode_commit(offset: int, metadata: str) -> CommitContent:
    """Return the decoded metadata of a committed offset. Raise `MetadataUnreadable`, also if the metadata is empty."""
    try:
        version, numbers = metadata[:1], _decode_varints(b64decode(metadata[1:], validate=True))
        if version not in (_VERSION, _OLD_VERSION):
            raise ValueError("unknown version")
        identity, checkpoint, field_count = NO_IDENTITY, NO_CHECKPOINT, _OLD_OFFSET_FIELDS
        if version == _VERSION:
            identity = TopicIdentity(next(numbers), next(numbers))
            if next(numbers) != offset:
                raise ValueError("belongs to another offset")
            checkpoint = EpochCheckpoint(next(numbers) - 1, next(numbers))
        crash_tracker = CrashTracker(owner=next(numbers))
        last = offset
        for _ in range(next(numbers)):
            last += next(numbers)
            crash_tracker.crash_marks.append(last)
        crash_tracker.isolated_starts = next(numbers)
        if version == _VERSION:
            crash_tracker.isolated_batch_starts, field_count = next(numbers), next(numbers)
        for field, value in itertools.zip_longest(_OFFSET_FIELDS[:field_count], itertools.islice(numbers, field_count)):
            if value is None:
                raise ValueError("ends early")
            if field is not None:
                setattr(crash_tracker, field, offset + value - 1 if value else -1)
        end = offset + next(numbers)
        unfinished = [offset] if end > offset else []
        for delta in numbers:
            unfinished.append(unfinished[-1] + delta)
        if not all(a < b for a, b in itertools.pairwise([*unfinished, end])):
            raise ValueError("offsets out of order")
    except (ValueError, StopIteration, IndexError) as error:
        raise MetadataUnreadable(str(error) or "ends early") from None
    return CommitContent(Ledger(end, unfinished), crash_tracker, identity, checkpoint)


def _encode_varints(numbers: Iterable[int]) -> bytes:
    out = bytearray()
    for number in numbers:
        rest = number
        while rest > 0x7F:
            out.append(rest & 0x7F | 0x80)
            rest >>= 7
        out.append(rest)
    return bytes(out)


def _decode_varints(raw: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in raw:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield number
            number = shift = 0
    if shift:
        raise ValueError("ends within a number")
