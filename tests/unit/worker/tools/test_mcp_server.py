"""Tools of real MCP servers."""

import asyncio
import json
import os
import resource
import shutil
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
import uvicorn
from mcp.server import MCPServer
from mcp.types import (
    AudioContent,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ListToolsResult,
    ResourceLink,
    TextContent,
)
from structlog.testing import capture_logs

from carteiro.settings.tools_file import ServerEntry
from carteiro.worker.tools import mcp_server as module
from carteiro.worker.tools.interface import ToolFailed
from carteiro.worker.tools.mcp_server import McpServer, result_text
from tests.conftest import eventually
from tests.unit.worker.tools.raw_http_server import RawHttpServer
from tests.unit.worker.tools.running_server import running


def running_servers() -> list[int]:
    """Return the processes of `raw_mcp_server.py` that this process has started. It has other children too."""
    found = []
    for pid in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
        with suppress(FileNotFoundError):  # It has just ended.
            found += [int(pid)] if "raw_mcp_server.py" in Path(f"/proc/{pid}/cmdline").read_text() else []
    return found


async def test_server_of_the_registry_is_started_and_asked() -> None:
    command = [sys.executable, "-m", "mcp_server_time", "--local-timezone=UTC"]
    async with running(command=command, tools=["get_current_time"]) as server:
        (tool,) = await server.definitions()
        assert (tool.name, tool.parameters["required"]) == ("get_current_time", ["timezone"])
        assert "Europe/Lisbon" in await server.call("get_current_time", {"timezone": "Europe/Lisbon"})
        with pytest.raises(ToolFailed, match="Nowhere"):
            await server.call("get_current_time", {"timezone": "Nowhere"})


async def test_server_that_ends_is_started_again() -> None:
    command = [sys.executable, "-S", str(Path(__file__).with_name("raw_mcp_server.py"))]
    async with running(command=command, tools=["say", "die"]) as server:
        tools = await server.definitions()
        first = await server.call("say", {})
        with pytest.raises(ToolFailed, match="ended before it answered"):
            await server.call("die", {})
        assert await server.definitions() == tools
        second = await server.call("say", {})  # waits for the new process
        assert second != first
        assert len(running_servers()) == 1
        os.kill(int(second.removeprefix("process ")), signal.SIGKILL)
        await eventually(lambda: not server._connected.is_set())
        assert await server.call("say", {}) not in (first, second)
    await eventually(lambda: not running_servers())


async def test_odd_output_costs_no_other_call() -> None:
    command = [sys.executable, "-S", str(Path(__file__).with_name("raw_mcp_server.py"))]
    async with running(command=command, tools=["say", "noise", "flood", "lie"]) as server:
        await server.definitions()
        assert await server.call("noise", {}) == "after noise"
        assert len(await server.call("flood", {})) == 2_000_000
        with pytest.raises(ToolFailed, match="server failed"):
            await server.call("lie", {})
        assert (await server.call("say", {})).startswith("process ")


@pytest.mark.parametrize(
    ("tool", "message"),
    [("huge", "more than 4 MiB"), ("endless", "more than 4 MiB"), ("late_id", "ended before it answered")],
)
async def test_answer_that_is_too_long_is_a_failed_call_and_costs_little_memory(tool: str, message: str) -> None:
    command = [sys.executable, "-S", str(Path(__file__).with_name("raw_mcp_server.py"))]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with running(command=command, tools=["say", tool]) as server:
        await server.definitions()
        first = await server.call("say", {})
        with pytest.raises(ToolFailed, match=message):
            await server.call(tool, {})
        if tool != "endless":
            assert (await server.call("say", {}) == first) is (tool == "huge"), "only a lost answer ends the connection"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 48 * 1024


async def test_answer_with_many_values_is_a_failed_call() -> None:
    command = [sys.executable, "-S", str(Path(__file__).with_name("raw_mcp_server.py"))]
    async with running(command=command, tools=["many_values", "say"]) as server:
        await server.definitions()
        first = await server.call("say", {})
        with pytest.raises(ToolFailed, match=r"or 100,000 values"):
            await server.call("many_values", {})
        assert await server.call("say", {}) == first


async def test_answer_that_cannot_be_read_is_a_failed_call() -> None:
    command = [sys.executable, "-S", str(Path(__file__).with_name("raw_mcp_server.py"))]
    async with running(command=command, tools=["no_result", "half_character"]) as server:
        await server.definitions()
        with pytest.raises(ToolFailed, match="^The tool's server gave no answer that can be read"):
            await server.call("no_result", {})
        assert await server.call("half_character", {}) == "\\ud83d cut \ufffd"


async def test_tools_that_cannot_be_used_are_left_out() -> None:
    command = [sys.executable, "-S", str(Path(__file__).with_name("raw_mcp_server.py"))]
    with capture_logs() as logs:
        async with running(command=command, tools=["odd_schema", "say", "no_schema"]) as server:
            assert [tool.name for tool in await server.definitions()] == ["say"]
    assert [entry.get("count", entry.get("tools", entry.get("reason"))) for entry in logs] == [
        3,
        ["no_schema"],
        "odd_schema.properties.a.type: is not valid in a JSON Schema",
        ["say"],
    ]


async def test_tools_are_listed_again_after_a_notice() -> None:
    command = [sys.executable, "-S", str(Path(__file__).with_name("raw_mcp_server.py"))]
    async with running(command=command, tools=["grow", "grown"]) as server:
        assert [tool.name for tool in await server.definitions()] == ["grow"]
        await server.call("grow", {})
        await eventually(lambda: [tool.name for tool in server._definitions or ()] == ["grow", "grown"])


async def test_tools_of_a_server_without_notices_are_listed_again_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LIST_SECONDS", 0.01)
    monkeypatch.setattr(module, "_LIST_PAUSE", 0.01)
    async with RawHttpServer() as served, running(url=served.url, tools=["say", "new"]) as server:
        await server.definitions()
        served.names = ()
        await eventually(lambda: server._definitions == [])
        served.names = ("say", "new")
        await eventually(lambda: len(server._definitions or ()) == 2)
        assert await server.call("say", {}) == "session 1", "the connection stays"


async def test_call_of_a_program_that_does_not_read_can_be_given_up() -> None:
    command = [sys.executable, "-S", str(Path(__file__).with_name("raw_mcp_server.py"))]
    async with running(command=command, tools=["deaf"]) as server:
        await server.definitions()
        calls = [asyncio.create_task(server.call("deaf", {"text": "x" * 1_000_000})) for _ in range(2)]
        for _ in range(50):
            await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        for _ in range(50):
            await asyncio.sleep(0)
        assert all(call.done() for call in calls)


async def test_program_that_writes_much_at_its_end_can_end_by_itself(tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    command = [sys.executable, "-S", str(Path(__file__).with_name("raw_mcp_server.py")), str(ended)]
    async with running(command=command, tools=["say"]) as server:
        await server.call("say", {})
    assert ended.exists()


async def test_notice_that_is_too_long_is_left_out() -> None:
    command = [sys.executable, "-S", str(Path(__file__).with_name("raw_mcp_server.py"))]
    async with running(command=command, tools=["huge_notice"]) as server:
        await server.definitions()
        assert await server.call("huge_notice", {}) == "after a notice"


async def test_schema_of_a_result_is_not_applied() -> None:
    command = [sys.executable, "-S", str(Path(__file__).with_name("raw_mcp_server.py"))]
    async with running(command=command, tools=["slow_schema"]) as server:
        await server.definitions()
        assert await server.call("slow_schema", {}) == "slow"


async def test_idempotency_key_is_in_the_meta_of_the_call() -> None:
    command = [sys.executable, "-S", str(Path(__file__).with_name("raw_mcp_server.py"))]
    async with running(command=command, tools=["meta"]) as server:
        await server.definitions()
        assert json.loads(await server.call("meta", {}, "k1"))["carteiro/idempotency_key"] == "k1"
        assert "carteiro/idempotency_key" not in await server.call("meta", {})


EVERYTHING = shutil.which("mcp-server-everything")


@pytest.mark.skipif(EVERYTHING is None, reason="npm install -g @modelcontextprotocol/server-everything")
async def test_reference_server_with_all_kinds_of_content() -> None:
    assert EVERYTHING is not None
    async with running(command=[EVERYTHING], tools=["echo", "get-tiny-image", "get-structured-content"]) as server:
        assert {each.name for each in await server.definitions()} == {
            "echo",
            "get-tiny-image",
            "get-structured-content",
        }
        assert await server.call("echo", {"message": "hi"}) == "Echo: hi"
        assert "[image of type image/png, which is not shown]" in await server.call("get-tiny-image", {})
        assert "temperature" in await server.call("get-structured-content", {"location": "New York"})


class Served:
    """An MCP server in this process, with streamable HTTP."""

    def __init__(self) -> None:
        self.started, self.cancelled, self.tokens = asyncio.Event(), asyncio.Event(), set[str]()
        server = MCPServer("tested")

        @server.tool()
        async def slow() -> str:
            """Never answers."""
            self.started.set()
            try:
                await anyio.sleep_forever()
            finally:
                self.cancelled.set()
            return ""

        @server.tool(name="search.pages")
        def search(word: str) -> str:
            """Searches."""
            return f"no {word}"

        @server.tool()
        def secret() -> str:
            """Is not allowed."""
            return ""

        app = server.streamable_http_app()

        async def guarded(scope: Any, receive: Any, send: Any) -> None:
            self.tokens |= {value.decode() for name, value in scope.get("headers", ()) if name == b"authorization"}
            await app(scope, receive, send)

        self._listening = socket.socket()
        self._listening.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/mcp"
        config = uvicorn.Config(guarded, log_level="error", lifespan="on", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]

    async def __aenter__(self) -> "Served":
        self._task = asyncio.create_task(self._server.serve([self._listening]))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        await self._task


async def test_server_by_http_has_the_tools_of_the_list_and_gets_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTED_TOKEN", "sk-mcp")
    async with (
        Served() as served,
        running(url=served.url, tools=["slow", "search.pages"], token_variable="TESTED_TOKEN") as server,
    ):
        assert {each.name for each in await server.definitions()} == {"slow", "search_pages"}
        assert await server.call("search_pages", {"word": "ferry"}) == "no ferry"
        assert served.tokens == {"Bearer sk-mcp"}
        call = asyncio.create_task(server.call("slow", {}))
        await served.started.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await eventually(served.cancelled.is_set)
        assert await server.call("search_pages", {"word": "bus"}) == "no bus"


@pytest.mark.parametrize("name", ["denied", "no_json", "page"])
async def test_server_that_does_not_list_its_tools_is_logged_without_its_words(name: str) -> None:
    with capture_logs() as logs:
        async with RawHttpServer(refuses=name) as served, running(url=served.url, tools=["say"]) as server:
            await server._tried.wait()
    assert logs
    assert "wrote" not in str(logs)
    assert "validation error" not in str(logs)


async def test_server_by_http_that_forgets_the_session_is_connected_again_and_called_once() -> None:
    async with RawHttpServer() as served, running(url=served.url, tools=["say"]) as server:
        await server.definitions()
        assert await server.call("say", {}) == "session 1"
        served.session += 1
        assert await server.call("say", {}) == "session 3"
        assert served.calls == ["say", "say"]


async def test_server_that_cannot_be_reached_is_told_at_once() -> None:
    for entry in ({"command": ["/no/such/program"]}, {"url": "http://127.0.0.1:9/mcp"}):
        async with running(**entry, tools=["x"]) as server:
            await server._tried.wait()
            with pytest.raises(ToolFailed, match="The MCP server tested cannot be reached"):
                await server.definitions()


async def test_server_whose_calls_are_given_up_again_and_again_is_connected_again() -> None:
    async with Served() as served, running(url=served.url, tools=["slow"]) as server:
        await server.definitions()
        client = server._client
        for _ in range(3):
            served.started.clear()
            call = asyncio.create_task(server.call("slow", {}))
            await served.started.wait()
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        await eventually(lambda: server._client not in (None, client))


class DeafClient:
    """Client that loses the cancellation while it connects, as the SDK sometimes does."""

    def __init__(self, _: object) -> None:
        pass

    async def __aenter__(self) -> "DeafClient":
        with suppress(asyncio.CancelledError):
            await anyio.sleep_forever()
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def list_tools(self, cursor: str | None) -> ListToolsResult:
        return ListToolsResult(tools=[])


async def test_worker_that_ends_while_a_server_is_connected_does_not_wait_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "Client", DeafClient)
    task = asyncio.create_task(McpServer("tested", ServerEntry(url="http://127.0.0.1:9/mcp", tools=["x"])).run())
    await asyncio.sleep(0.01)
    task.cancel()
    for _ in range(50):
        await asyncio.sleep(0)
    assert task.cancelled()


TEXT = TextContent(text="a")


@pytest.mark.parametrize(
    ("content", "structured", "text"),
    [
        ([TEXT, TextContent(text="b")], None, "a\nb"),
        ([TEXT], {"n": 1}, "a"),
        ([], {"n": 1}, '{"n": 1}'),
        ([], None, ""),
        ([ImageContent(data="QQ==", mime_type="image/png")], None, "[image of type image/png, which is not shown]"),
        ([AudioContent(data="QQ==", mime_type="audio/wav")], None, "[audio of type audio/wav, which is not shown]"),
        ([ResourceLink(name="n", uri="file:///n")], None, "[Resource n: file:///n]"),
        (
            [EmbeddedResource.model_validate({"type": "resource", "resource": {"uri": "a://b", "text": "c"}})],
            None,
            "c",
        ),
        (
            [EmbeddedResource.model_validate({"type": "resource", "resource": {"uri": "a://b", "blob": "QQ=="}})],
            None,
            "[Resource a://b: no text]",
        ),
    ],
)
def test_content_becomes_text(content: list[Any], structured: Any, text: str) -> None:
    assert result_text(CallToolResult(content=content, structured_content=structured)) == text
