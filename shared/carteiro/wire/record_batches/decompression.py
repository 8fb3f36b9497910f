"""Decompression of record batches in chunks, so that memory is bounded for any output size.

`cramjam`, which comes with aiokafka, only decompresses whole frames. For a frame of more than a few megabytes, it
writes into a pipe, and this module reads the other end. The size of the pipe is then the bound.
"""

import contextlib
import fcntl
import os
import threading
import zlib
from collections.abc import Iterator
from typing import Any, Protocol

try:
    import cramjam
except ImportError:  # pragma: no cover  # gzip and uncompressed batches can be read without it
    cramjam = None  # type: ignore[assignment]

_CHUNK_BYTES = 64 * 1024
_PIPE_BYTES = 256 * 1024
_GZIP_INPUT_BYTES = 16 * 1024
"""Bytes given to zlib at once: it copies the unused rest each time."""
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_MAX_BUFFER_BYTES = 8 * 1024 * 1024
"""Maximum output that is made in one buffer, in bytes."""
_MAX_ZSTD_WINDOW = 8 * 1024 * 1024
"""Maximum distance in bytes that a frame may refer back if its output is larger than one buffer.

The format's specification requires every decoder to support it. The decoder keeps that many bytes.
"""
_XERIAL_MAGIC = b"\x82SNAPPY\x00"
_XERIAL_HEADER = 16
_MAX_SNAPPY_RATIO = 32
"""Maximum expansion of Snappy: it makes at most 64 bytes of three. A block that declares more is corrupt."""
_MAX_SNAPPY_BLOCK = 32 * 1024 * 1024


class UnreadableBatch(Exception):
    """A record batch that cannot be read to its end. The message says why."""


class BatchTooLarge(Exception):
    """A record batch that would take too much memory or time to read to its end."""


class _Codec(Protocol):
    def decompress_into(self, data: memoryview, output: Any) -> int: ...


def decompress(codec: int, data: memoryview) -> Iterator[bytes]:
    """Yield the decompressed chunks of `data`; an empty chunk if there is no output yet.

    `codec` is a batch's compression type: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd. Bytes after the end of a compressed
    stream are no error, as in Kafka's own client. Raise `UnreadableBatch` or `BatchTooLarge`.
    """
    match codec:
        case 0:
            return iter((bytes(data),))
        case 1:
            return _decompress_gzip(data)
        case 2 | 3 | 4 if cramjam is None:
            name = {2: "snappy", 3: "lz4", 4: "zstd"}[codec]
            raise UnreadableBatch(f"it is compressed with {name}, for which the package cramjam is missing")
        case 2:
            return _decompress_snappy(data)
        case 3:
            return _decompress_frame(cramjam.lz4, data)
        case 4:
            return _decompress_frame(cramjam.zstd, data)
    raise UnreadableBatch(f"it is compressed with a codec that is not known, number {codec}")


def _decompress_gzip(data: memoryview) -> Iterator[bytes]:
    stream, position, given = zlib.decompressobj(wbits=31), 0, b""
    while True:
        if not given:
            given = bytes(data[position : position + _GZIP_INPUT_BYTES])
            position += len(given)
        if not given:
            raise UnreadableBatch("its gzip stream ends early")
        try:
            yield stream.decompress(given, _CHUNK_BYTES)
        except zlib.error:
            raise UnreadableBatch("its gzip stream is corrupt") from None
        given = stream.unconsumed_tail
        if stream.eof:
            given = stream.unused_data
            if len(given) < len(_GZIP_MAGIC):
                given += bytes(data[position : position + _GZIP_INPUT_BYTES])
                position += _GZIP_INPUT_BYTES
            if not given.startswith(_GZIP_MAGIC):
                return
            stream = zlib.decompressobj(wbits=31)


def _decompress_snappy(data: memoryview) -> Iterator[bytes]:
    if bytes(data[: len(_XERIAL_MAGIC)]) != _XERIAL_MAGIC:
        yield _decompress_snappy_block(data)
        return
    position = 0
    while position < len(data):
        # Several streams may follow each other.
        if bytes(data[position : position + len(_XERIAL_MAGIC)]) == _XERIAL_MAGIC:
            position += _XERIAL_HEADER
            continue
        size = int.from_bytes(data[position : position + 4], "big", signed=True)
        position += 4
        if not 0 < size <= len(data) - position:
            raise UnreadableBatch("its snappy stream is cut off")
        yield _decompress_snappy_block(data[position : position + size])
        position += size


def _decompress_snappy_block(block: memoryview) -> bytes:
    try:
        size = cramjam.snappy.decompress_raw_len(block)
        if size > _MAX_SNAPPY_RATIO * len(block):
            raise UnreadableBatch("its snappy stream is corrupt")
        if size > _MAX_SNAPPY_BLOCK:
            raise BatchTooLarge
        return bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError:
        raise UnreadableBatch("its snappy stream is corrupt") from None


def _decompress_frame(codec: _Codec, data: memoryview) -> Iterator[bytes]:
    at_once = bytearray(min(max(16 * len(data), _CHUNK_BYTES), _MAX_BUFFER_BYTES))
    try:
        size = codec.decompress_into(data, at_once)
    except (cramjam.DecompressionError, OSError):
        # The output is larger than the buffer, the frame is corrupt, or other bytes follow it. The output before that
        # still counts.
        del at_once
        return _decompress_through_pipe(codec, data)
    return iter((bytes(memoryview(at_once)[:size]),))


def _decompress_through_pipe(codec: _Codec, data: memoryview) -> Iterator[bytes]:
    if bytes(data[:4]) == _ZSTD_MAGIC and _zstd_window(data) > _MAX_ZSTD_WINDOW:
        raise BatchTooLarge
    reading, writing = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux; other systems have a fixed pipe size
        with contextlib.suppress(OSError):
            fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    failed: list[bool] = []

    def write() -> None:
        try:
            # A pipe opened for reading too would keep waiting for a reader after the only reader has gone.
            codec.decompress_into(data, cramjam.File(f"/dev/fd/{writing}", read=False, write=True))
        except Exception:  # noqa: BLE001  # the reading end raises it if it needs more data
            failed.append(True)
        finally:
            os.close(writing)

    with contextlib.closing(os.fdopen(reading, "rb", buffering=0)) as pipe:
        threading.Thread(target=write, name="decompress", daemon=True).start()
        while piece := pipe.read(_PIPE_BYTES):
            yield piece
    if failed:
        raise UnreadableBatch("its compressed stream is corrupt or ends early")


def _zstd_window(data: memoryview) -> int:
    """Return the maximum distance in bytes that a frame may refer back. Raise `UnreadableBatch` for a wrong header."""
    window, position = 0, 0
    try:
        while bytes(data[position : position + 4]) == _ZSTD_MAGIC:
            descriptor = data[position + 4]
            position += 5
            single = bool(descriptor & 0x20)
            size_bytes = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
            if not single:
                exponent, mantissa = data[position] >> 3, data[position] & 7
                window = max(window, (1 << (10 + exponent)) * (8 + mantissa) // 8)
                position += 1
            position += (0, 1, 2, 4)[descriptor & 3]
            if single:
                size = int.from_bytes(data[position : position + size_bytes], "little")
                window = max(window, size + (256 if size_bytes == 2 else 0))
            position += size_bytes
            last = False
            while not last:
                if position + 3 > len(data):
                    return window  # the frame is cut off: the decoder reports that when it gets there
                header = int.from_bytes(data[position : position + 3], "little")
                last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
                position += 3 + (1 if kind == 1 else size)
            position += 4 if descriptor & 4 else 0
    except IndexError:
        raise UnreadableBatch("its zstd stream is cut off") from None
    return window
