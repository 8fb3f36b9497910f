"""Compression of the batches that producers send."""

from typing import Literal

Compression = Literal["none", "lz4", "zstd", "snappy", "gzip"]
DEFAULT_COMPRESSION: Compression = "none"
"""Every client reads it. KafkaJS, for example, reads only `none` and `gzip` without a plugin."""


def compression_type(compression: Compression) -> str | None:
    """Return the option `compression_type` of aiokafka's producer."""
    return None if compression == "none" else compression
