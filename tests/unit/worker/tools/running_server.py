"""An `McpServer` that runs during a test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from carteiro.settings.tools_file import ServerEntry
from carteiro.worker.tools.mcp_server import McpServer


async def no_pause(_: float) -> None:
    await asyncio.sleep(0)


@asynccontextmanager
async def running(**entry: Any) -> AsyncIterator[McpServer]:
    server = McpServer("tested", ServerEntry(**entry), sleep=no_pause)
    task = asyncio.create_task(server.run())
    yield server
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
