"""HTTP server of the local provider: it answers, fails on request, and records its requests."""

import asyncio
import json
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from tests.provider.background import BackgroundEndpoints
from tests.provider.batches import BatchEndpoints
from tests.provider.completions import Json, complete, last_words
from tests.provider.completions import answer as answered
from tests.provider.contents import ContentRefused, check_parts
from tests.provider.embeddings import Limit, embeddings
from tests.provider.faults import FAULTS, FaultHandler
from tests.provider.headers import header_names
from tests.provider.streams import stream
from tests.provider.tiers import NO_FLEX_CAPACITY


@dataclass(kw_only=True)
class Received:
    """One request: its parts, its connection (the client's port), and its progress."""

    path: str
    query: dict[str, str]
    headers: CIMultiDict[str]
    body: Json
    connection: int
    abandoned: bool = False
    """True if the client closed the connection before it had the answer."""


class Provider:
    """`async with Provider() as provider`: listens on a free port of this machine; `provider.url` is its address. A
    request for the model `fault-NAME` gets that fault of `FAULTS`; so does the next request after `next("NAME")`.
    `hold()` keeps all answers back until `release()`. `batches` has the endpoints of files and batches,
    `background` those of answers in the background.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.requests: list[Received] = []
        self.calls: Counter[str] = Counter()
        """Number of calls with each prompt."""
        self.batches = BatchEndpoints(self._line)
        self.background = BackgroundEndpoints(self._line)
        self.embedding_limit: Limit = lambda texts: None
        """Limit of the texts of a call for vectors."""
        self.flex_capacity = True
        """False if calls in the tier `flex` are refused."""
        self._host, self._port = host, port
        self._next: deque[FaultHandler] = deque()
        self._open = asyncio.Event()
        self._open.set()

    @property
    def url(self) -> str:
        return f"{self.root}/v1"

    @property
    def root(self) -> str:
        """Address of the root. Below it every path that ends in one of the APIs is served:
        `/openai/deployments/NAME/chat/completions`.
        """
        return f"http://{self._host}:{self._port}"

    def next(self, *faults: str) -> None:
        """Give the next requests these faults, one each, in this order."""
        self._next.extend(FAULTS[name] for name in faults)

    def next_handlers(self, *handlers: FaultHandler) -> None:
        """Let these functions answer the next requests, one each, in this order."""
        self._next.extend(handlers)

    def queue_completion(self, content: str, finish_reason: str = "stop") -> None:
        """Give the next request this completion."""

        async def answer(request: web.Request, asked: Json) -> web.StreamResponse:
            return web.json_response(answered(asked, content, finish_reason, 1, 1))

        self._next.append(answer)

    def answer(self, body: Json | list[Json], status: int = 200, **headers: str) -> None:
        """Give the next request this body."""

        async def answer(request: web.Request, asked: Json) -> web.StreamResponse:
            return web.json_response(body, status=status, headers=header_names(headers))

        self._next.append(answer)

    def forget(self) -> None:
        """Forget the unused instructions of `next`, `answer` and `queue_completion`."""
        self._next.clear()

    def hold(self) -> None:
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    @property
    def open_connections(self) -> int:
        assert self._runner.server
        return len(self._runner.server.connections)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=256 * 2**20)
        for api in ("chat/completions", "responses", "completions", "embeddings", "messages"):
            app.router.add_post(f"/{{place:.+}}/{api}", self._call)
        app.router.add_get("/v1/models", self._models)
        app.router.add_routes(self.batches.routes())
        app.router.add_routes(self.background.routes())
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "echo", "object": "model", "owned_by": "tests"}]})

    async def _call(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        assert request.transport
        received = Received(
            path=request.path,
            query=dict(request.query),
            headers=request.headers.copy(),
            body=body,
            connection=request.transport.get_extra_info("peername")[1],
        )
        self.requests.append(received)
        try:
            check_parts(request.path, body)
        except ContentRefused as refused:
            return web.json_response({"error": {"message": str(refused), "type": "invalid_request_error"}}, status=400)
        self.calls[last_words(body)] += 1
        try:
            await self._open.wait()
            if self._next:
                return await self._next.popleft()(request, body)
            return await self._answer(request, body)
        except (asyncio.CancelledError, ConnectionError):
            received.abandoned = True
            raise

    async def _answer(self, request: web.Request, body: Json) -> web.StreamResponse:
        if body.get("background"):
            return web.json_response(self.background.create(body))
        if fault := self._fault(body):
            return await fault(request, body)
        if request.path.endswith("/embeddings"):
            status, answer = self.embedding_limit(body["input"]) or (200, embeddings(body))
            return web.json_response(answer, status=status)
        if body.get("service_tier") == "flex" and not self.flex_capacity:
            return web.json_response(NO_FLEX_CAPACITY, status=429)
        if body.get("stream"):
            return await stream(request, body)
        marked = {**body, "api": "messages"} if request.path.endswith("/messages") else body
        return web.json_response(complete(marked))

    def _fault(self, body: Json) -> FaultHandler | None:
        """Return the fault for this request, or None for a completion."""
        model = body["model"]
        return FAULTS[model.removeprefix("fault-")] if model.startswith("fault-") else None

    async def _line(self, body: Json) -> tuple[int, Any]:
        """Return status and body of a live call with the body of a line. A fault without an answer is a 500."""
        fault = self._fault(body)
        if fault is None and isinstance((body.get("input") or [None])[0], str):
            return self.embedding_limit(body["input"]) or (200, embeddings(body))
        if fault is None:
            return 200, complete(body)
        request = make_mocked_request("POST", "/v1/batches", headers={"Authorization": "Bearer sk-batch"})
        try:
            response = await asyncio.wait_for(fault(request, body), 0.1)
        except (TimeoutError, AssertionError):
            response = None
        if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
            return 500, {"error": {"message": "The server had an error.", "type": "server_error", "code": None}}
        try:
            return response.status, json.loads(response.body)
        except ValueError:
            return response.status, response.body.decode(errors="replace")
