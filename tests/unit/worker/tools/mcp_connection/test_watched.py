import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from carteiro.worker.tools.mcp_connection.watched import watched


async def test_requests_of_a_server_that_does_not_read_the_answers_are_left_out() -> None:
    to_session, from_server = anyio.create_memory_object_stream[SessionMessage](100)
    to_server, from_session = anyio.create_memory_object_stream[SessionMessage](1)

    @asynccontextmanager
    async def transport() -> AsyncIterator[Any]:
        yield from_server, to_server

    async def send_requests(number: int) -> None:
        for _ in range(number):
            await to_session.send(SessionMessage(JSONRPCRequest(jsonrpc="2.0", id="s", method="ping")))
        await to_session.send(SessionMessage(JSONRPCNotification(jsonrpc="2.0", method="end")))

    async with watched(transport(), asyncio.Event(), asyncio.Event()) as (reads, writes):

        async def methods() -> list[str]:
            found = []
            async for received in reads:
                if received.message.method == "end":
                    break
                found.append(received.message.method)
            return found

        await send_requests(20)
        assert await methods() == ["ping"] * 16
        await writes.send(SessionMessage(JSONRPCResponse(jsonrpc="2.0", id="s", result={})))
        await send_requests(20)
        assert await methods() == ["ping"]
    for stream in (to_session, from_server, to_server, from_session):
        stream.close()
