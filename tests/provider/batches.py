"""The provider's batches, in memory: OpenAI's, Azure's under `/openai/v1`, and Gemini's.

As documented at https://platform.openai.com/docs/api-reference/batch,
https://learn.microsoft.com/azure/foundry/openai/how-to/batch, and https://ai.google.dev/gemini-api/docs/openai under
"Batch".
"""

import asyncio
import json
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from tests.provider.completions import Json, last_words, messages
from tests.provider.endpoints import ROOTS, Style, error, page_of
from tests.provider.files import CREATED, Files, no_file

ENDED = ("completed", "failed", "expired", "cancelled")
UNDONE = {
    "batch_expired": "This request could not be executed before the completion window expired.",
    "batch_cancelled": "This request was not executed because the batch was cancelled.",
}


@dataclass(kw_only=True)
class Made:
    """A batch that was made, as the provider knows it."""

    id: str
    style: Style
    asked: Json
    lines: list[bytes]
    status: str = "validating"
    looks: int = 0
    output: str | None = None
    errors: str | None = None
    problem: Json | None = None
    tokens: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def name(self) -> str | None:
        return (self.asked.get("metadata") or {}).get("carteiro")


class Batches(Files):
    """A batch is completed by the `looks`-th look at it, not by time; `hold` keeps batches from that.

    `live` gives status and body of what a line would get as a call of its own.
    """

    def __init__(self, live: Callable[[Json], Awaitable[tuple[int, Any]]]) -> None:
        super().__init__()
        self.looks = 2
        self.order: Literal["asked", "shuffled"] = "asked"
        """Of the lines in a result's file."""
        self.token_limit: int | None = None
        """Most words of all batches that run. One that goes beyond fails."""
        self.cancelled_share = 0.5
        """How much is done of a batch that is cancelled."""
        self.rubbish: list[bytes] = []
        """Lines that stand in every output file besides."""
        self.made: list[Made] = []
        self.paid: Counter[str] = Counter()
        """How often each prompt was done, by its last words."""
        self.paid_ids: Counter[tuple[str, str]] = Counter()
        """How often each line was done, by its batch's id and its own."""
        self._live = live
        self._held = False
        self._missing: set[str] = set()
        self._expiring: deque[float] = deque()
        self._failing: deque[Json] = deque()

    # What a test decides.

    def hold(self) -> None:
        """Batches stay in progress until `release`, however often they are looked at."""
        self._held = True

    def release(self) -> None:
        self._held = False

    def missing(self, *lines: str) -> None:
        """Lines with these ids, or these last words, are not done and stand in no result's file."""
        self._missing.update(lines)

    def expire(self, share: float = 0.5) -> None:
        """The next batch that would be completed expires, with this share of it done."""
        self._expiring.append(share)

    def fail(self, code: str, message: str = "No.", line: int | None = None) -> None:
        """The next batch fails its validation."""
        self._failing.append({"code": code, "message": message, "param": None, "line": line})

    # The endpoints.

    def routes(self) -> list[web.RouteDef]:
        made = super().routes()
        for root in ROOTS:
            made += [
                self.route("POST", f"{root}/batches", "submit", self._submit),
                self.route("GET", f"{root}/batches", "list", self._list),
                self.route("GET", f"{root}/batches/{{id:.+}}", "look", self._look),
                self.route("POST", f"{root}/batches/{{id:.+}}/cancel", "cancel", self._cancel),
            ]
        return made

    async def _submit(self, request: web.Request) -> web.Response:
        asked = await request.json()
        style = _style(request)
        file = self.files.get(asked["input_file_id"])
        if style == "google" and set(asked) - {"input_file_id", "endpoint", "completion_window"}:
            return error(400, "Invalid JSON payload received. Unknown name.", "INVALID_ARGUMENT")
        if file is None:
            return no_file(request)
        if file.looks:
            return error(400, f"File {file.id} is not in the state processed.", "invalidPayload")
        if asked["completion_window"] != "24h":
            return error(400, "Invalid value: 'completion_window'. Supported values are: '24h'.", "invalid_value")
        number = self.number()
        made = Made(
            id={"openai": f"batch_{number}", "azure": f"batch_{number}", "google": f"batches/{number}"}[style],
            style=style,
            asked=asked,
            lines=file.content.splitlines(),
        )
        self.made.append(made)
        return web.json_response(_described(made))

    async def _list(self, request: web.Request) -> web.Response:
        style = _style(request)
        page, more = page_of([made for made in reversed(self.made) if made.style == style], request)
        data = [_described(made) for made in page]
        last = data[-1]["id"] if data else None
        return web.json_response({"object": "list", "data": data, "last_id": last, "has_more": more})

    async def _look(self, request: web.Request) -> web.Response:
        made = self._find(request)
        if made is None:
            return error(404, f"No batch found with id '{request.match_info['id']}'.", None)
        async with made.turn:
            await self._advance(made)
        return web.json_response(_described(made))

    async def _cancel(self, request: web.Request) -> web.Response:
        made = self._find(request)
        if made is None:
            return error(404, f"No batch found with id '{request.match_info['id']}'.", None)
        if made.status in ENDED:
            return error(409, f"Cannot cancel a batch with status '{made.status}'.", None)
        made.status = "cancelling"
        return web.json_response(_described(made))

    def _find(self, request: web.Request) -> Made | None:
        return next((made for made in self.made if made.id == request.match_info["id"]), None)

    async def _advance(self, made: Made) -> None:
        if made.status in ENDED:
            return
        made.looks += 1
        if made.status == "cancelling":
            await self._end(made, "cancelled", self.cancelled_share)
            return
        if made.status == "validating":
            made.problem = self._problem(made)
            made.status = "failed" if made.problem else "in_progress"
            if made.problem:
                return
        if self._held or made.looks < self.looks:
            return
        if self._expiring:
            await self._end(made, "expired", self._expiring.popleft())
        else:
            await self._end(made, "completed", 1.0)

    def _problem(self, made: Made) -> Json | None:
        if self._failing:
            return self._failing.popleft()
        if not made.lines:
            return _fault("empty_file", "The input file is empty.")
        ids: set[str] = set()
        for number, line in enumerate(made.lines, 1):
            try:
                request = json.loads(line)
            except ValueError:
                return _fault("invalid_json_line", "This line is not parseable as valid JSON.", number)
            if request["custom_id"] in ids:
                return _fault("duplicate_custom_id", "The custom_id of this request is a duplicate.", number)
            if request["url"] != made.asked["endpoint"] or request["method"] != "POST":
                return _fault("url_mismatch", "The URL does not match the endpoint of the batch.", number)
            ids.add(request["custom_id"])
            made.tokens += sum(len(str(each["content"]).split()) for each in messages(request["body"]))
        running = sum(each.tokens for each in self.made if each.status == "in_progress")
        if self.token_limit is not None and running + made.tokens > self.token_limit:
            limit = f"Enqueued token limit reached for gpt-4.1 in organization org-secret. Limit: {self.token_limit}"
            return _fault("token_limit_exceeded", limit)
        return None

    async def _end(self, made: Made, status: str, share: float) -> None:
        """Do this share of the lines, in the order of the file."""
        requests = [json.loads(line) for line in made.lines]
        requests = [each for each in requests if not {each["custom_id"], last_words(each["body"])} & self._missing]
        done = round(len(requests) * share)
        outputs: list[Json] = []
        errors: list[Json] = []
        paid = []
        for number, request in enumerate(requests):
            if number >= done:
                errors.append(_undone(request, f"batch_{status}"))
                continue
            code, body = await self._live(request["body"])
            if code == 200:
                paid.append(request)
            (outputs if code == 200 else errors).append(_done(request, code, body))
            if number % 200 == 0:
                await asyncio.sleep(0)
        # From here on nothing is awaited: whoever looks may leave at any time, and looks again.
        self.paid.update(last_words(request["body"]) for request in paid)
        self.paid_ids.update((made.id, request["custom_id"]) for request in paid)
        if made.style == "google":
            outputs, errors = outputs + errors, []
        made.output = self._result(made, outputs, self.rubbish)
        made.errors = self._result(made, errors, [], empty=made.style == "azure")
        made.status = status

    def _result(self, made: Made, results: list[Json], rubbish: list[bytes], *, empty: bool = False) -> str | None:
        if not results and not empty:
            return None
        lines = [json.dumps(each).encode() for each in results] + rubbish
        if self.order == "shuffled":
            random.Random(7).shuffle(lines)
        number = self.number()
        file = self.keep(
            f"files/batch-{number}" if made.style == "google" else f"file-{number}",
            f"{made.id}_output.jsonl",
            b"".join(line + b"\n" for line in lines),
        )
        file.purpose = "batch_output"
        return file.id


def _style(request: web.Request) -> Style:
    return next(style for root, style in ROOTS.items() if request.path.startswith(f"{root}/"))


def _described(made: Made) -> Json:
    azure = made.style == "azure"
    failed = {"object": "list", "data": [made.problem]} if made.problem else None
    return {
        "id": made.id,
        "object": "batch",
        "endpoint": made.asked["endpoint"],
        "errors": failed,
        "input_file_id": made.asked["input_file_id"],
        "completion_window": "24h",
        "status": made.status.capitalize() if azure else made.status,
        "output_file_id": made.output,
        "error_file_id": made.errors,
        "created_at": "2025-10-09T08:53:20.0000000+00:00" if azure else CREATED,
        "request_counts": {"total": len(made.lines), "completed": None if azure else 0, "failed": None if azure else 0},
        "metadata": made.asked.get("metadata"),
    }


def _done(request: Json, status: int, body: Any) -> Json:
    response = {"status_code": status, "request_id": "req_1", "body": body}
    return {"id": "batch_req_1", "custom_id": request["custom_id"], "response": response, "error": None}


def _undone(request: Json, code: str) -> Json:
    error = {"code": code, "message": UNDONE[code]}
    return {"id": "batch_req_1", "custom_id": request["custom_id"], "response": None, "error": error}


def _fault(code: str, message: str, line: int | None = None) -> Json:
    return {"code": code, "message": message, "param": None, "line": line}
