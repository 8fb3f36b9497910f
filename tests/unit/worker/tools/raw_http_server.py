"""MCP server by streamable HTTP, without the SDK, so that it can misbehave and forget its sessions.

It speaks the protocol of 2025-06-18 (https://modelcontextprotocol.io/specification/2025-06-18/basic/transports).
"""

import asyncio
import gzip
from typing import Any

from aiohttp import web

from tests.local_server import LocalServer

_NAMES = (
    *("say", "huge_json", "huge_event", "many_lines", "many_values", "bomb", "wait", "hang", "abort", "cut"),
    *("denied", "moved", "page", "accepted", "no_json", "no_event", "half_character", "no_answer"),
)
_SECRET = "what the server wrote"
_MEBIBYTE = b"x" * (1 << 20)


class RawHttpServer(LocalServer):
    """Server of the tools in `names`. It knows one session at a time."""

    path = "/mcp"

    def __init__(self, refuses: str = "") -> None:
        """It answers a request for its tools as the tool `refuses`, if that is given."""
        self.session, self.names, self._refuses = 0, _NAMES, refuses
        self.calls: list[str] = []
        self.sent = 0
        """Bytes of long answers that were sent."""
        self.gets = 0
        """Streams of notices that were opened. Each ends at once, and asks for the next."""
        self.is_released = False
        """True if `wait` may answer."""

    def routes(self) -> list[web.RouteDef]:
        return [web.route("*", "/mcp", self._answer)]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            self.gets += 1
            return web.Response(text="id: 1\nretry: 0\ndata: \n\n", content_type="text/event-stream")
        if request.method != "POST":
            return web.Response(status=405)
        message: dict[str, Any] = await request.json()
        if "id" not in message:
            return web.Response(status=202)
        headers = {"Mcp-Session-Id": str(self.session)}
        if message["method"] == "initialize":
            self.session += 1
            headers = {"Mcp-Session-Id": str(self.session)}
        elif request.headers.get("Mcp-Session-Id") != str(self.session):
            return web.Response(status=404)
        result: dict[str, Any] = {}
        match message["method"]:
            case "initialize":
                info = {"name": "raw", "version": "1"}
                result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
            case "tools/list" if self._refuses:
                return await self._misbehave(request, self._refuses, message["id"])
            case "tools/list":
                result = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in self.names]}
            case "tools/call":
                name = message["params"]["name"]
                self.calls.append(name)
                if name != "say":
                    return await self._misbehave(request, name, message["id"])
                result = {"content": [{"type": "text", "text": f"session {self.session}"}]}
            case _:
                return web.json_response(
                    {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": ""}}
                )
        return web.json_response({"jsonrpc": "2.0", "id": message["id"], "result": result}, headers=headers)

    async def _misbehave(self, request: web.Request, name: str, call: int) -> web.StreamResponse:
        assert request.transport is not None
        match name:
            case "hang":
                await asyncio.Event().wait()
            case "abort":
                request.transport.abort()
            case "denied":
                return web.json_response({"error": _SECRET}, status=401)
            case "moved":
                return web.Response(status=307, headers={"Location": f"http://elsewhere.invalid/{_SECRET}"})
            case "page":
                return web.Response(text=_SECRET, content_type="text/html")
            case "accepted":
                return web.Response(status=202)
            case "no_json":
                return web.Response(text=f'{{"{_SECRET}', content_type="application/json")
            case "no_event":
                return web.Response(text=f"data: {_SECRET}\n\n", content_type="text/event-stream")
            case "no_answer":
                return web.Response(text="data: \n\n", content_type="text/event-stream")
        head = f'{{"jsonrpc":"2.0","id":{call},"result":{{"content":[{{"type":"text","text":"'.encode()
        if name == "bomb":
            body = gzip.compress(head + _MEBIBYTE * 64 + b'"}]}}')
            return web.Response(body=body, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})
        if name == "half_character":
            return web.Response(body=head + b'\xff cut \\ud83d"}]}}', content_type="application/json")
        if name == "many_values":
            result = {"content": [], "structuredContent": {"a": [[]] * 200_000}}
            return web.json_response({"jsonrpc": "2.0", "id": call, "result": result})
        answer = web.StreamResponse()
        answer.content_type = "text/event-stream" if name in ("huge_event", "many_lines") else "application/json"
        await answer.prepare(request)
        if name == "cut":
            await answer.write(head)
            request.transport.abort()
            return answer
        while name == "wait":
            if self.is_released:
                await answer.write(head + b'waited"}]}}')
                return answer
            await answer.write(b" ")
            await asyncio.sleep(0.02)
        await answer.write(head if name == "huge_json" else b"data: " + head)
        piece = b"data:\n" * (1 << 17) if name == "many_lines" else _MEBIBYTE
        for _ in range(256):
            await answer.write(piece)
            self.sent += len(piece)
        await answer.write(b'"}]}}\n\n')
        return answer
