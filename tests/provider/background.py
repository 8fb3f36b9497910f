"""The provider's answers in the background, in memory: OpenAI's and Azure's
(https://developers.openai.com/api/docs/guides/background,
https://learn.microsoft.com/azure/foundry/openai/how-to/responses).
"""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.provider.completions import Json, response
from tests.provider.endpoints import Endpoints, error

_ROOTS = ("/v1", "/openai/v1", "/openai")
_PENDING = ("queued", "in_progress")


@dataclass(kw_only=True)
class FakeResponse:
    """An answer that was begun, as the provider knows it."""

    id: str
    body: Json
    answer: Json
    looks: int = 0

    @property
    def status(self) -> str:
        return str(self.answer["status"])


class BackgroundEndpoints(Endpoints):
    """Endpoints of answers in the background. An answer is completed at the `looks`-th poll, not by time; `hold`
    prevents that. `live` returns status and body of a live call with the same body.
    """

    def __init__(self, live: Callable[[Json], Awaitable[tuple[int, Any]]]) -> None:
        super().__init__()
        self.looks = 2
        self.unknown_looks = 0
        """Number of first polls that do not know a new answer."""
        self.created: list[FakeResponse] = []
        self._live, self._held = live, False
        self._ends: deque[Json] = deque()

    def hold(self) -> None:
        """Keep answers in progress until `release`, however many polls come."""
        self._held = True

    def release(self) -> None:
        self._held = False

    def next_end(self, status: str, **fields: Any) -> None:
        """End the next answer with this status, and these fields."""
        self._ends.append({"status": status, **fields})

    def delete(self) -> None:
        """Delete all answers, as the provider does after some time."""
        self.created.clear()

    def create(self, body: Json) -> Json:
        """Begin an answer. Nothing is known of it but its status."""
        identity = f"resp_{self.number()}"
        answer = response(body, [], id=identity, status="queued", background=True, store=body.get("store"), usage=None)
        self.created.append(FakeResponse(id=identity, body=body, answer=answer))
        return answer

    def routes(self) -> list[web.RouteDef]:
        return [
            route
            for root in _ROOTS
            for route in (
                self.route("GET", f"{root}/responses/{{id}}", "look", self._look),
                self.route("POST", f"{root}/responses/{{id}}/cancel", "cancel", self._cancel),
            )
        ]

    async def _look(self, request: web.Request) -> web.Response:
        found = self._find(request)
        if found is not None:
            found.looks += 1
        if found is None or found.looks <= self.unknown_looks:
            return _not_found(request)
        if found.status in _PENDING:
            ready = found.looks - self.unknown_looks >= self.looks and not self._held
            found.answer |= await self._end(found) if ready else {"status": "in_progress"}
        return web.json_response(found.answer)

    async def _end(self, found: FakeResponse) -> Json:
        if self._ends:
            return self._ends.popleft()
        status, answer = await self._live(found.body)
        if status == 200:
            return {**answer, "id": found.id}
        failure = answer["error"] if isinstance(answer, dict) and "error" in answer else {}
        return {"status": "failed", "error": {"code": failure.get("code"), "message": failure.get("message")}}

    async def _cancel(self, request: web.Request) -> web.Response:
        found = self._find(request)
        if found is None:
            return _not_found(request)
        if found.status in _PENDING:  # To cancel twice, or after the end, changes nothing.
            found.answer["status"] = "cancelled"
        return web.json_response(found.answer)

    def _find(self, request: web.Request) -> FakeResponse | None:
        return next((each for each in self.created if each.id == request.match_info["id"]), None)


def _not_found(request: web.Request) -> web.Response:
    return error(404, f"Response with id '{request.match_info['id']}' not found.", None)
