"""The fields of a record, parsed from a stream that is decompressed while it is read."""

import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

from carteiro.wire.record import MAX_REQUEST_BYTES, Headers
from carteiro.wire.record_batches.decompression import BatchTooLarge, UnreadableBatch

MAX_KEY_BYTES = 1024 * 1024
"""Maximum size of a key that is kept, in bytes."""
MAX_HEADER_BYTES = 1024 * 1024
"""Maximum size of a record's headers that are kept, in bytes."""
MAX_HEADERS = 10_000
MAX_BUFFERED_BYTES = 4 * 1024 * 1024
"""A record up to this size in bytes is read at once. A larger record is read in chunks, and its value is discarded."""
_MAX_UNPACKED_BYTES = 2 * 1024**3
_MAX_SECONDS = 2.0
_MAX_VARINT_BYTES = 10

RecordFields = tuple[int, int, bytes | None, bytes | None, int, Headers]
"""Timestamp delta, offset delta, key, value, value size in bytes, headers."""


class UnpackBudget:
    """Limit on the time and the bytes for one batch. Paused time does not count.

    `max_value_bytes` is the size up to which a record is read with its value; at most `MAX_BUFFERED_BYTES`.
    """

    def __init__(
        self,
        max_bytes: int = _MAX_UNPACKED_BYTES,
        max_seconds: float = _MAX_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        max_value_bytes: int = MAX_REQUEST_BYTES,
    ) -> None:
        self._bytes, self._seconds, self._clock = max_bytes, max_seconds, clock
        self.max_value_bytes = max_value_bytes
        self._resumed = clock()

    def resume(self) -> None:
        """Count the time again."""
        self._resumed = self._clock()

    def pause(self) -> None:
        """Stop counting the time."""
        self._seconds -= self._clock() - self._resumed

    def spend(self, size: int) -> None:
        """Count `size` decompressed bytes. Raise `BatchTooLarge` above a limit."""
        self._bytes -= size
        if self._bytes < 0 or self._clock() - self._resumed > self._seconds:
            raise BatchTooLarge


class UnpackedStream:
    """Decompressed bytes of a batch; it buffers only those that are read next."""

    def __init__(self, chunks: Iterator[bytes], budget: UnpackBudget) -> None:
        self._chunks, self._budget = chunks, budget
        self.buffer = b""
        self.position = 0
        self._buffer_start = 0
        """Bytes that came before the buffer."""

    @property
    def offset(self) -> int:
        """Number of bytes that have been read."""
        return self._buffer_start + self.position

    def read_chunk(self) -> bool:
        """Buffer one more chunk. Return False if nothing is left."""
        piece = next(self._chunks, None)
        if piece is None:
            return False
        self._budget.spend(len(piece))
        self._set_buffer([self.buffer[self.position :], piece])
        return True

    def ensure_buffered(self, size: int) -> None:
        """Buffer at least `size` bytes; `size` is small. Raise `UnreadableBatch` if the stream ends before."""
        missing = size - (len(self.buffer) - self.position)
        if missing <= 0:
            return
        held = [self.buffer[self.position :]]
        while missing > 0:
            if (piece := next(self._chunks, None)) is None:
                raise UnreadableBatch("it ends early")
            self._budget.spend(len(piece))
            held.append(piece)
            missing -= len(piece)
        self._set_buffer(held)

    def read_varint(self) -> int:
        """Return the next number. Raise `UnreadableBatch` if the stream ends before."""
        while len(self.buffer) - self.position < _MAX_VARINT_BYTES and self.read_chunk():
            pass
        number, self.position = _decode_varint(self.buffer, self.position)
        return number

    def read(self, size: int) -> bytes:
        """Return the next bytes; `size` is small. Raise `UnreadableBatch` if the stream ends before."""
        self.ensure_buffered(size)
        self.position += size
        return self.buffer[self.position - size : self.position]

    def skip(self, size: int) -> Iterator[None]:
        """Skip bytes; `size` may be large. Raise `UnreadableBatch` if the stream ends before."""
        while (held := len(self.buffer) - self.position) < size:
            size -= held
            self.position += held
            if not self.read_chunk():
                raise UnreadableBatch("it ends early")
            yield
        self.position += size

    def _set_buffer(self, chunks: list[bytes]) -> None:
        self._buffer_start += self.position
        self.buffer, self.position = b"".join(chunks), 0


def parse_fields(buffer: bytes, position: int, end: int, max_value_bytes: int = MAX_REQUEST_BYTES) -> RecordFields:
    """Return the fields of a record that is wholly in the buffer, without a value above `max_value_bytes`.

    Raise `UnreadableBatch` if they are wrong.
    """
    length = end - position
    position += 1  # skips the attributes, which have no meaning yet
    timestamp_delta, position = _decode_varint(buffer, position)
    offset_delta, position = _decode_varint(buffer, position)
    key, position = _read_bytes(buffer, position, end)
    value, position = _read_bytes(buffer, position, end)
    count, position = _decode_varint(buffer, position)
    if not 0 <= 2 * count <= end - position:
        raise UnreadableBatch("a record's number of headers is wrong")
    headers: list[tuple[str, Any]] = []
    room = MAX_HEADER_BYTES
    for _ in range(min(count, MAX_HEADERS)):
        name, position = _read_bytes(buffer, position, end)
        header, position = _read_bytes(buffer, position, end)
        if name is None:
            raise UnreadableBatch("a header has no name")
        if (room := room - len(name) - len(header or b"")) >= 0:
            headers.append((name.decode("utf-8", "backslashreplace"), header))
    if position != end and count <= MAX_HEADERS:
        raise UnreadableBatch("a record's length is wrong")
    size = -1 if value is None else len(value)
    if len(key or b"") > MAX_KEY_BYTES:
        key, size = None, max(size, length)
    if room < 0 or count > MAX_HEADERS:
        size = max(size, max_value_bytes + 1)
    return timestamp_delta, offset_delta, key, value if size <= max_value_bytes else None, size, tuple(headers)


def parse_large_fields(stream: UnpackedStream, length: int) -> Generator[None, None, RecordFields]:
    """Return the fields of a record that is not wholly buffered, without the value or key that makes it so large.

    Raise `UnreadableBatch` if the fields are wrong.
    """
    end = stream.offset + length
    stream.read(1)
    timestamp_delta, offset_delta = stream.read_varint(), stream.read_varint()
    key, _ = yield from _read_field(stream, end, MAX_KEY_BYTES)
    _, value_size = yield from _read_field(stream, end, 0)
    headers: list[tuple[str, Any]] = []
    room = MAX_HEADER_BYTES
    for _ in range(min(stream.read_varint(), MAX_HEADERS)):
        name, name_size = yield from _read_field(stream, end, room)
        header, size = yield from _read_field(stream, end, room)
        room -= max(name_size, 0) + max(size, 0)
        if name is not None and room >= 0:
            headers.append((name.decode("utf-8", "backslashreplace"), header))
    if stream.offset > end:
        raise UnreadableBatch("a record's length is wrong")
    yield from stream.skip(end - stream.offset)
    size = value_size if value_size > MAX_REQUEST_BYTES else length
    return timestamp_delta, offset_delta, key, None, size, tuple(headers)


def _read_field(stream: UnpackedStream, end: int, room: int) -> Generator[None, None, tuple[bytes | None, int]]:
    """Return a field's bytes, or None if there are more than `room`, and its size in bytes; -1 for a null."""
    size = stream.read_varint()
    if size > end - stream.offset:
        raise UnreadableBatch("a record's field is longer than the record")
    if size <= max(room, 0):
        return (stream.read(size) if size >= 0 else None), size
    yield from stream.skip(size)
    return None, size


def _read_bytes(buffer: bytes, position: int, end: int) -> tuple[bytes | None, int]:
    size, position = _decode_varint(buffer, position)
    if size < 0:
        return None, position
    if position + size > end:
        raise UnreadableBatch("a record's field is longer than the record")
    return buffer[position : position + size], position + size


def _decode_varint(buffer: bytes, position: int) -> tuple[int, int]:
    """Return a number in zigzag code and the position after it. Raise `UnreadableBatch` if it is wrong."""
    try:
        byte = buffer[position]
        position += 1
        if byte < 0x80:
            return (byte >> 1) ^ -(byte & 1), position
        number, shift = byte & 0x7F, 7
        while True:
            byte = buffer[position]
            position += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (number >> 1) ^ -(number & 1), position
            shift += 7
            if shift >= 7 * _MAX_VARINT_BYTES:
                raise UnreadableBatch("a number is too long")
    except IndexError:
        raise UnreadableBatch("it ends early") from None
