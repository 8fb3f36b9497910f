"""An HTTPS server on a local socket, that answers as a test says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trustme
from aiohttp import web

Answer = Callable[[web.Request], web.StreamResponse]


class HttpsServer:
    """Server for `127.0.0.1` and `localhost`. `tls` trusts its certificate."""

    def __init__(self) -> None:
        authority = trustme.CA()
        self._server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost", "texts.example").configure_cert(self._server_tls)
        self.tls = ssl.create_default_context()
        authority.configure_trust(self.tls)
        self.requests: list[web.Request] = []
        self.port = 0
        self._answers: dict[str, Answer] = {}

    def on(self, path: str, answer: Answer) -> str:
        """Answer the path in this way. Return its address."""
        self._answers[path] = answer
        return f"https://127.0.0.1:{self.port}{path}"

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._server_tls)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        return runner

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        answer = self._answers[request.path](request)
        return await answer if asyncio.iscoroutine(answer) else answer


@asynccontextmanager
async def running_https() -> AsyncIterator[HttpsServer]:
    server = HttpsServer()
    runner = await server.start()
    try:
        yield server
    finally:
        await runner.cleanup()
