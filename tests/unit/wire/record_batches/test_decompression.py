"""Decompression in chunks."""

import gzip
from collections.abc import Callable

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.wire.record_batches import decompression
from carteiro.wire.record_batches.decompression import BatchTooLarge, UnreadableBatch, decompress

COMPRESSORS: dict[int, Callable[[bytes], bytes]] = {
    0: bytes,
    1: gzip.compress,
    2: lambda data: bytes(cramjam.snappy.compress_raw(data)),
    3: lambda data: bytes(cramjam.lz4.compress(data)),
    4: lambda data: bytes(cramjam.zstd.compress(data)),
}


def unpack(codec: int, data: bytes) -> bytes:
    return b"".join(decompress(codec, memoryview(data)))


@given(codec=st.sampled_from(list(COMPRESSORS)), data=st.binary(max_size=2000), copies=st.sampled_from([1, 100]))
def test_decompressed_data_is_the_original(codec: int, data: bytes, copies: int) -> None:
    assert unpack(codec, COMPRESSORS[codec](data * copies)) == data * copies


@pytest.mark.parametrize("codec", [1, 3, 4])
def test_large_output_comes_in_chunks(codec: int) -> None:
    data = bytes(12 << 20)
    chunks = list(decompress(codec, memoryview(COMPRESSORS[codec](data))))
    assert max(map(len, chunks)) <= 1 << 20
    assert sum(map(len, chunks)) == len(data)


def test_gzip_of_several_members_is_one_stream() -> None:
    assert unpack(1, gzip.compress(b"ab") + gzip.compress(b"cd")) == b"abcd"


@pytest.mark.parametrize(
    ("codec", "data", "reason"),
    [
        (1, gzip.compress(b"abc", mtime=0)[:-9], "gzip stream ends early"),
        (1, b"abc", "gzip stream is corrupt"),
        (2, b"\xff", "snappy stream is corrupt"),
        (2, b"\x82SNAPPY\x00" + bytes(8) + b"\x00\x00\x00\x09a", "snappy stream is cut off"),
        (7, b"", "codec that is not known, number 7"),
    ],
)
def test_unreadable_stream_is_named_with_the_reason(codec: int, data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableBatch, match=reason):
        unpack(codec, data)


def test_snappy_block_above_the_limit_is_too_large() -> None:
    with pytest.raises(BatchTooLarge):
        unpack(2, COMPRESSORS[2](bytes(33 << 20)))


def test_missing_codec_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompression, "cramjam", None)
    with pytest.raises(UnreadableBatch, match="zstd, for which the package cramjam is missing"):
        unpack(4, b"")
    assert unpack(1, gzip.compress(b"a")) == b"a"
