from typing import get_args

from carteiro.wire.compression import Compression, compression_type


def test_no_compression_is_none_for_aiokafka_and_the_others_keep_their_names() -> None:
    names = {each: compression_type(each) for each in get_args(Compression)}
    assert names == {"none": None} | {each: each for each in ("lz4", "zstd", "snappy", "gzip")}
