"""What all endpoints of files and batches have in common: they can be refused, or their answer lost."""

from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web
from multidict import CIMultiDict

from tests.provider.headers import named

Kind = Literal["upload", "file", "files", "download", "delete", "submit", "look", "list", "cancel"]
Style = Literal["openai", "azure", "google"]
Handler = Callable[[web.Request], Awaitable[web.Response]]

ROOTS: dict[str, Style] = {"/v1": "openai", "/openai/v1": "azure", "/v1beta/openai": "google"}
"""Where each provider has them."""


@dataclass(kw_only=True)
class Asked:
    """One request."""

    kind: Kind
    method: str
    path: str
    query: dict[str, str]
    headers: CIMultiDict[str]


class Endpoints:
    """Remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._refusals: dict[Kind, deque[tuple[int, Any, dict[str, str]]]] = defaultdict(deque)
        self._lost: Counter[Kind] = Counter()
        self._numbers = 0

    def refuse(self, kind: Kind, status: int, body: Any = None, times: int = 1, **headers: str) -> None:
        """The next requests of this kind are turned down."""
        error = {"error": {"message": "No.", "type": "server_error", "code": None}}
        self._refusals[kind].extend([(status, error if body is None else body, named(headers))] * times)

    def lose(self, kind: Kind = "submit", times: int = 1) -> None:
        """The next requests of this kind are done, and the connection is cut before the answer."""
        self._lost[kind] += times

    def forget(self) -> None:
        """What was refused or asked up to now does not count any more."""
        self._refusals.clear()
        self._lost.clear()
        self.asked.clear()

    def of(self, kind: Kind) -> list[Asked]:
        """The requests of this kind."""
        return [each for each in self.asked if each.kind == kind]

    def route(self, method: str, path: str, kind: Kind, handler: Handler) -> web.RouteDef:
        async def asked(request: web.Request) -> web.StreamResponse:
            self.asked.append(
                Asked(
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
        """Another one, for an id."""
        self._numbers += 1
        return f"{self._numbers:06}"


def page_of(items: list[Any], request: web.Request) -> tuple[list[Any], bool]:
    """A page of what is newest first, and whether there is more."""
    limit, after = int(request.query.get("limit", 20)), request.query.get("after")
    begin = next((number for number, item in enumerate(items, 1) if item.id == after), 0)
    return items[begin : begin + limit], begin + limit < len(items)


def error(status: int, message: str, code: str | None) -> web.Response:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return web.json_response({"error": error}, status=status)
