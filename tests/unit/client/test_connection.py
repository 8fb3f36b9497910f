"""A broker that creates no topics and has none."""

import asyncio
import io
import struct
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiokafka.protocol.admin import ApiVersionResponse_v0
from aiokafka.protocol.metadata import MetadataRequest_v1, MetadataResponse_v1

from carteiro.client import Carteiro, TopicMissing

_METADATA, _API_VERSIONS, _UNKNOWN_TOPIC = 3, 18, 3
_SERVED = [(0, 0, 3), (1, 0, 4), (2, 0, 1), (_METADATA, 1, 1), (_API_VERSIONS, 0, 0)]


@pytest_asyncio.fixture
async def address() -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while size := await reader.read(4):
            request = await reader.readexactly(*struct.unpack(">i", size))
            kind, _, correlation, client = struct.unpack(">hhih", request[:10])
            if kind == _API_VERSIONS:
                answer = ApiVersionResponse_v0(error_code=0, api_versions=_SERVED).encode()
            else:
                (topics,) = MetadataRequest_v1.SCHEMA.decode(io.BytesIO(request[10 + client :]))
                unknown = [(_UNKNOWN_TOPIC, topic, False, []) for topic in topics or []]
                host, port = writer.get_extra_info("sockname")
                answer = MetadataResponse_v1(brokers=[(1, host, port, None)], controller_id=1, topics=unknown).encode()
            writer.write(struct.pack(">ii", len(answer) + 4, correlation) + answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_missing_topic_is_named(address: str):
    async with Carteiro(address, topic_prefix="nobody") as carteiro:
        with pytest.raises(TopicMissing, match=r"no topic nobody\.chat\.requests at .*carteiro topics create"):
            await carteiro.chat("Hi", timeout=0.3)
        with pytest.raises(TopicMissing, match=r"no topic nobody\.generate\.requests"):
            await anext(carteiro.stream.generate("Hi", timeout=0.3))
