import asyncio
import resource

import pytest
from structlog.testing import capture_logs

from carteiro.worker.tools.interface import ToolFailed
from carteiro.worker.tools.mcp_connection import http
from tests.conftest import eventually
from tests.unit.worker.tools.raw_http_server import RawHttpServer
from tests.unit.worker.tools.running_server import running


@pytest.mark.parametrize("tool", ["huge_json", "huge_event", "many_lines", "many_values", "bomb"])
async def test_answer_by_http_that_is_too_long_is_a_failed_call_and_costs_little_memory(tool: str) -> None:
    async with RawHttpServer() as served, running(url=served.url, tools=["say", tool]) as server:
        await server.definitions()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(ToolFailed, match=r"^The tool's answer has more than 4 MiB or 100,000 values\.$"):
            await server.call(tool, {})
        assert await server.call("say", {}) == "session 1", "the connection stays"
        assert served.sent < 64 << 20
        if tool != "bomb":  # its server compresses 256 MiB in this process
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 96 * 1024


@pytest.mark.parametrize(
    ("tool", "message"),
    [
        ("denied", "answered with the HTTP status 401"),
        ("abort", "cannot be reached"),
        ("hang", "did not answer in time"),
        ("no_answer", "ended before it answered"),
        *[
            (each, "gave no answer that can be read")
            for each in ("cut", "moved", "page", "accepted", "no_json", "no_event")
        ],
    ],
)
async def test_answer_by_http_that_is_none_costs_only_its_call_and_is_not_quoted(tool: str, message: str) -> None:
    # The SDK's first connection in a process takes a second if the machine is busy.
    timeout = "4s" if tool == "hang" else "30s"
    with capture_logs() as logs:
        async with RawHttpServer() as served, running(url=served.url, tools=["wait", tool], timeout=timeout) as server:
            await server.definitions()
            other = asyncio.create_task(server.call("wait", {}))
            await eventually(lambda: served.calls == ["wait"])
            with pytest.raises(ToolFailed, match=f"^The tool's server {message}.$"):
                await server.call(tool, {})
            served.is_released = True
            assert await other == "waited"
    assert "wrote" not in str(logs)


async def test_answer_by_http_with_half_a_character_is_repaired() -> None:
    async with RawHttpServer() as served, running(url=served.url, tools=["half_character"]) as server:
        await server.definitions()
        assert await server.call("half_character", {}) == "\ufffd cut \ufffd"


async def test_server_that_asks_for_the_next_stream_at_once_gets_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_MIN_GET_SECONDS", 3600)
    async with RawHttpServer() as served, running(url=served.url, tools=["say"]) as server:
        await server.definitions()
        await eventually(lambda: served.gets == 1)
        for _ in range(20):
            await server.call("say", {})
        assert served.gets == 1
