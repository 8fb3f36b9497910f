"""Base of the endpoints of files and batches: requests can be refused, or their answer lost."""

from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web
from multidict import CIMultiDict

from tests.provider.headers import header_names

Kind = Literal["upload", "file", "files", "download", "delete", "submit", "look", "list", "cancel"]
Style = Literal["openai", "azure", "google", "anthropic"]
Handler = Callable[[web.Request], Awaitable[web.Response]]

ROOTS: dict[str, Style] = {"/v1": "openai", "/openai/v1": "azure", "/v1beta/openai": "google"}
"""Path of the endpoints at each provider."""


@dataclass(kw_only=True)
class RecordedRequest:
    """One request."""

    kind: Kind
    method: str
    path: str
    query: dict[str, str]
    headers: CIMultiDict[str]


class Endpoints:
    """Endpoints that record their requests."""

    def __init__(self) -> None:
        self.requests: list[RecordedRequest] = []
        self._refusals: dict[Kind, deque[tuple[int, Any, dict[str, str]]]] = defaultdict(deque)
        self._lost: Counter[Kind] = Counter()
        self._numbers = 0

    def refuse(self, kind: Kind, status: int, body: Any = None, times: int = 1, **headers: str) -> None:
        """Refuse the next requests of this kind."""
        error = {"error": {"message": "No.", "type": "server_error", "code": None}}
        self._refusals[kind].extend([(status, error if body is None else body, header_names(headers))] * times)

    def lose_responses(self, kind: Kind = "submit", times: int = 1) -> None:
        """Do the next requests of this kind, but cut the connection before the answer."""
        self._lost[kind] += times

    def forget(self) -> None:
        """Forget all recorded requests, and all refusals that were ordered."""
        self._refusals.clear()
        self._lost.clear()
        self.requests.clear()

    def of(self, kind: Kind) -> list[RecordedRequest]:
        """Return the requests of this kind."""
        return [each for each in self.requests if each.kind == kind]

    def route(self, method: str, path: str, kind: Kind, handler: Handler) -> web.RouteDef:
        async def asked(request: web.Request) -> web.StreamResponse:
            self.requests.append(
                RecordedRequest(
                    kind=kind,
                    method=request.method,
                    path=request.path,
                    query=dict(request.query),
                    headers=request.headers.copy(),
                )
            )
            if self._refusals[kind]:
                await request.read()
                status, body, headers = self._refusals[kind].popleft()
                return web.json_response(body, status=status, headers=headers)
            response = await handler(request)
            if self._lost[kind]:
                self._lost[kind] -= 1
                assert request.transport
                request.transport.abort()
            return response

        return web.route(method, path, asked)

    def number(self) -> str:
        """Return a new number for an id."""
        self._numbers += 1
        return f"{self._numbers:06}"


def page_of(items: list[Any], request: web.Request) -> tuple[list[Any], bool]:
    """Return a page of items that are sorted newest first, and True if there are more."""
    limit, after = int(request.query.get("limit", 20)), request.query.get("after")
    begin = next((number for number, item in enumerate(items, 1) if item.id == after), 0)
    return items[begin : begin + limit], begin + limit < len(items)


def error(status: int, message: str, code: str | None) -> web.Response:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return web.json_response({"error": error}, status=status)
