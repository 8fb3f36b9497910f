"""The provider's batches, in memory: OpenAI's, Azure's under `/openai/v1`, and Gemini's.

The forms are those of https://platform.openai.com/docs/api-reference/batch,
https://learn.microsoft.com/azure/foundry/openai/how-to/batch, and https://ai.google.dev/gemini-api/docs/openai under
"Batch".
"""

import asyncio
import json
import random
import re
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from aiohttp import web

from tests.provider.completions import Json, last_words, messages
from tests.provider.endpoints import ROOTS, Style, error, page_of
from tests.provider.files import CREATED, FileEndpoints, no_file

ENDED = ("completed", "failed", "expired", "cancelled")
NOT_EXECUTED = {
    "batch_expired": "This request could not be executed before the completion window expired.",
    "batch_cancelled": "This request was not executed because the batch was cancelled.",
}


@dataclass(kw_only=True)
class FakeBatch:
    """A batch that was created, as the provider knows it."""

    id: str
    style: Style
    body: Json
    lines: list[bytes]
    status: str = "validating"
    looks: int = 0
    output: str | None = None
    errors: str | None = None
    problem: Json | None = None
    tokens: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    created_at: float = field(default_factory=time.time)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def name(self) -> str | None:
        return (self.body.get("metadata") or {}).get("carteiro")


class BatchEndpoints(FileEndpoints):
    """Endpoints of batches. A batch is completed at the `looks`-th status request, not by time; `hold` prevents that.
    `live` returns status and body of a live call with the body of a line.
    """

    def __init__(self, live: Callable[[Json], Awaitable[tuple[int, Any]]]) -> None:
        super().__init__()
        self.looks = 2
        self.order: Literal["asked", "shuffled"] = "asked"
        """Order of the lines in a result file."""
        self.token_limit: int | None = None
        """Maximum words of all running batches together. A batch above this limit fails."""
        self.cancelled_share = 0.5
        """Share of a cancelled batch that is done."""
        self.invalid_lines: list[bytes] = []
        """Additional lines in every output file."""
        self.created: list[FakeBatch] = []
        self.paid: Counter[str] = Counter()
        """Number of times that each prompt was done, by its last words."""
        self.paid_ids: Counter[tuple[str, str]] = Counter()
        """Number of times that each line was done, by the ids of its batch and of the line."""
        self._live = live
        self._held = False
        self._missing: set[str] = set()
        self._expiring: deque[float] = deque()
        self._failing: deque[Json] = deque()

    # The next methods are for tests.

    def hold(self) -> None:
        """Keep batches in progress until `release`, however many status requests come."""
        self._held = True

    def release(self) -> None:
        self._held = False

    def omit(self, *lines: str) -> None:
        """Leave out lines with these ids, or these last words: they are not done and are in no result file."""
        self._missing.update(lines)

    def expire(self, share: float = 0.5) -> None:
        """Let the next batch expire instead of completing, with this share of it done."""
        self._expiring.append(share)

    def fail(self, code: str, message: str = "No.", line: int | None = None) -> None:
        """Let the next batch fail its validation."""
        self._failing.append({"code": code, "message": message, "param": None, "line": line})

    # The next methods are the endpoints.

    def routes(self) -> list[web.RouteDef]:
        routes = super().routes()
        for root in ROOTS:
            routes += [
                self.route("POST", f"{root}/batches", "submit", self._submit),
                self.route("GET", f"{root}/batches", "list", self._list),
                self.route("GET", f"{root}/batches/{{id:.+}}", "look", self._look),
                self.route("POST", f"{root}/batches/{{id:.+}}/cancel", "cancel", self._cancel),
            ]
        root = "/v1/messages/batches"
        return [
            *routes,
            self.route("POST", root, "submit", self._submit_messages),
            self.route("GET", root, "list", self._list_messages),
            self.route("GET", f"{root}/{{id}}", "look", self._look),
            self.route("POST", f"{root}/{{id}}/cancel", "cancel", self._cancel),
            self.route("GET", f"{root}/{{id}}/results", "download", self._message_results),
            self.route("DELETE", f"{root}/{{id}}", "delete", self._delete_messages),
        ]

    # The next methods are Anthropic's batches (https://platform.claude.com/docs/en/api/messages/batches).

    async def _submit_messages(self, request: web.Request) -> web.Response:
        requests = (await request.json())["requests"]
        ids = [each["custom_id"] for each in requests]
        if not ids or len({*ids}) < len(ids) or not all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", each) for each in ids):
            return _anthropic_error(400, "invalid_request_error", "requests.0.custom_id: String should match pattern")
        if any("stream" in each["params"] for each in requests):
            return _anthropic_error(400, "invalid_request_error", "requests.0.params.stream: not supported")
        lines = [{"custom_id": each["custom_id"], "body": {**each["params"], "api": "messages"}} for each in requests]
        batch = FakeBatch(
            id=f"msgbatch_{self.number()}",
            style="anthropic",
            body={"requests": requests},
            lines=[json.dumps(each).encode() for each in lines],
            status="in_progress",
        )
        self.created.append(batch)
        return web.json_response(message_batch_json(batch))

    async def _list_messages(self, request: web.Request) -> web.Response:
        batches = [batch for batch in reversed(self.created) if batch.style == "anthropic"]
        limit, after = int(request.query.get("limit", 20)), request.query.get("after_id")
        begin = next((number for number, batch in enumerate(batches, 1) if batch.id == after), 0)
        data = [message_batch_json(batch) for batch in batches[begin : begin + limit]]
        ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
        return web.json_response({"data": data, "has_more": begin + limit < len(batches), **ends})

    async def _message_results(self, request: web.Request) -> web.Response:
        batch = self._find(request)
        if batch is None or batch.output is None:
            return _anthropic_error(404, "not_found_error", "No results")
        return web.Response(body=self.files[batch.output].content)

    async def _delete_messages(self, request: web.Request) -> web.Response:
        batch = self._find(request)
        if batch is None:
            return _anthropic_error(404, "not_found_error", "Message batch not found.")
        if batch.status not in ENDED:
            return _anthropic_error(400, "invalid_request_error", "Message batch has not ended.")
        self.created.remove(batch)
        return web.json_response({"id": batch.id, "type": "message_batch_deleted"})

    async def _submit(self, request: web.Request) -> web.Response:
        body = await request.json()
        style = _style(request)
        file = self.files.get(body["input_file_id"])
        if style == "google" and set(body) - {"input_file_id", "endpoint", "completion_window"}:
            return error(400, "Invalid JSON payload received. Unknown name.", "INVALID_ARGUMENT")
        if file is None:
            return no_file(request)
        if file.looks:
            return error(400, f"File {file.id} is not in the state processed.", "invalidPayload")
        if body["completion_window"] != "24h":
            return error(400, "Invalid value: 'completion_window'. Supported values are: '24h'.", "invalid_value")
        number = self.number()
        batch = FakeBatch(
            id={"openai": f"batch_{number}", "azure": f"batch_{number}", "google": f"batches/{number}"}[style],
            style=style,
            body=body,
            lines=file.content.splitlines(),
        )
        self.created.append(batch)
        return web.json_response(batch_json(batch))

    async def _list(self, request: web.Request) -> web.Response:
        style = _style(request)
        page, more = page_of([batch for batch in reversed(self.created) if batch.style == style], request)
        data = [batch_json(batch) for batch in page]
        last = data[-1]["id"] if data else None
        return web.json_response({"object": "list", "data": data, "last_id": last, "has_more": more})

    async def _look(self, request: web.Request) -> web.Response:
        batch = self._find(request)
        if batch is None:
            return error(404, f"No batch found with id '{request.match_info['id']}'.", None)
        async with batch.lock:
            await self._advance(batch)
        return web.json_response(message_batch_json(batch) if batch.style == "anthropic" else batch_json(batch))

    async def _cancel(self, request: web.Request) -> web.Response:
        batch = self._find(request)
        if batch is None:
            return error(404, f"No batch found with id '{request.match_info['id']}'.", None)
        if batch.status in ENDED:
            return error(409, f"Cannot cancel a batch with status '{batch.status}'.", None)
        batch.status = "cancelling"
        return web.json_response(message_batch_json(batch) if batch.style == "anthropic" else batch_json(batch))

    def _find(self, request: web.Request) -> FakeBatch | None:
        return next((batch for batch in self.created if batch.id == request.match_info["id"]), None)

    async def _advance(self, batch: FakeBatch) -> None:
        if batch.status in ENDED:
            return
        batch.looks += 1
        if batch.status == "cancelling":
            await self._end(batch, "cancelled", self.cancelled_share)
            return
        if batch.status == "validating":
            batch.problem = self._problem(batch)
            batch.status = "failed" if batch.problem else "in_progress"
            if batch.problem:
                return
        if self._held or batch.looks < self.looks:
            return
        if self._expiring:
            await self._end(batch, "expired", self._expiring.popleft())
        else:
            await self._end(batch, "completed", 1.0)

    def _problem(self, batch: FakeBatch) -> Json | None:
        if self._failing:
            return self._failing.popleft()
        if not batch.lines:
            return _fault("empty_file", "The input file is empty.")
        ids: set[str] = set()
        for number, line in enumerate(batch.lines, 1):
            try:
                request = json.loads(line)
            except ValueError:
                return _fault("invalid_json_line", "This line is not parseable as valid JSON.", number)
            if request["custom_id"] in ids:
                return _fault("duplicate_custom_id", "The custom_id of this request is a duplicate.", number)
            if request["url"] != batch.body["endpoint"] or request["method"] != "POST":
                return _fault("url_mismatch", "The URL does not match the endpoint of the batch.", number)
            ids.add(request["custom_id"])
            batch.tokens += sum(len(str(each["content"]).split()) for each in messages(request["body"]))
        running = sum(each.tokens for each in self.created if each.status == "in_progress")
        if self.token_limit is not None and running + batch.tokens > self.token_limit:
            limit = f"Enqueued token limit reached for gpt-4.1 in organization org-secret. Limit: {self.token_limit}"
            return _fault("token_limit_exceeded", limit)
        return None

    async def _end(self, batch: FakeBatch, status: str, share: float) -> None:
        """Do this share of the lines, in the order of the file."""
        requests = [json.loads(line) for line in batch.lines]
        requests = [each for each in requests if not {each["custom_id"], last_words(each["body"])} & self._missing]
        done = round(len(requests) * share)
        outputs: list[Json] = []
        errors: list[Json] = []
        paid = []
        for number, request in enumerate(requests):
            if number >= done:
                errors.append(_error_line(request, f"batch_{status}"))
                continue
            code, body = await self._live(request["body"])
            if code == 200:
                paid.append(request)
            (outputs if code == 200 else errors).append(_result_line(request, code, body))
            if number % 200 == 0:
                await asyncio.sleep(0)
        # From here on there is no `await`: a client may disconnect at any time, and request the status again.
        self.paid.update(last_words(request["body"]) for request in paid)
        self.paid_ids.update((batch.id, request["custom_id"]) for request in paid)
        if batch.style == "google":
            outputs, errors = outputs + errors, []
        if batch.style == "anthropic":
            outputs, errors = [_message_line(each) for each in outputs + errors], []
            batch.counts = Counter(each["result"]["type"] for each in outputs)
        batch.output = self._result(batch, outputs, self.invalid_lines)
        batch.errors = self._result(batch, errors, [], empty=batch.style == "azure")
        batch.status = status

    def _result(
        self, batch: FakeBatch, results: list[Json], invalid_lines: list[bytes], *, empty: bool = False
    ) -> str | None:
        if not results and not empty:
            return None
        lines = [json.dumps(each).encode() for each in results] + invalid_lines
        if self.order == "shuffled":
            random.Random(7).shuffle(lines)
        number = self.number()
        file = self.store(
            f"files/batch-{number}" if batch.style == "google" else f"file-{number}",
            f"{batch.id}_output.jsonl",
            b"".join(line + b"\n" for line in lines),
        )
        file.purpose = "batch_output"
        return file.id


def _style(request: web.Request) -> Style:
    return next(style for root, style in ROOTS.items() if request.path.startswith(f"{root}/"))


def batch_json(batch: FakeBatch) -> Json:
    azure = batch.style == "azure"
    failed = {"object": "list", "data": [batch.problem]} if batch.problem else None
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.body["endpoint"],
        "errors": failed,
        "input_file_id": batch.body["input_file_id"],
        "completion_window": "24h",
        "status": batch.status.capitalize() if azure else batch.status,
        "output_file_id": batch.output,
        "error_file_id": batch.errors,
        "created_at": "2025-10-09T08:53:20.0000000+00:00" if azure else CREATED,
        "request_counts": {
            "total": len(batch.lines),
            "completed": None if azure else 0,
            "failed": None if azure else 0,
        },
        "metadata": batch.body.get("metadata"),
    }


def message_batch_json(batch: FakeBatch) -> Json:
    ended, url = batch.status in ENDED, f"https://api.anthropic.com/v1/messages/batches/{batch.id}/results"
    counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
    counts |= batch.counts if ended else {"processing": len(batch.lines)}
    cancelled = batch.status in ("cancelling", "cancelled")
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": "ended" if ended else "canceling" if cancelled else "in_progress",
        "request_counts": counts,
        "created_at": datetime.fromtimestamp(batch.created_at, UTC).isoformat(),
        "cancel_initiated_at": "2026-10-09T08:53:20Z" if cancelled else None,
        "results_url": url if ended else None,
    }


def _message_line(line: Json) -> Json:
    """Return a result in Anthropic's form."""
    response = line["response"]
    if response is None:
        result: Json = {"type": {"batch_expired": "expired", "batch_cancelled": "canceled"}[line["error"]["code"]]}
    elif response["status_code"] == 200:
        result = {"type": "succeeded", "message": response["body"]}
    else:
        kind = {400: "invalid_request_error", 429: "rate_limit_error"}.get(response["status_code"], "api_error")
        message = response["body"]["error"]["message"]
        result = {"type": "errored", "error": {"type": "error", "error": {"type": kind, "message": message}}}
    return {"custom_id": line["custom_id"], "result": result}


def _anthropic_error(status: int, kind: str, message: str) -> web.Response:
    return web.json_response({"type": "error", "error": {"type": kind, "message": message}}, status=status)


def _result_line(request: Json, status: int, body: Any) -> Json:
    response = {"status_code": status, "request_id": "req_1", "body": body}
    return {"id": "batch_req_1", "custom_id": request["custom_id"], "response": response, "error": None}


def _error_line(request: Json, code: str) -> Json:
    error = {"code": code, "message": NOT_EXECUTED[code]}
    return {"id": "batch_req_1", "custom_id": request["custom_id"], "response": None, "error": error}


def _fault(code: str, message: str, line: int | None = None) -> Json:
    return {"code": code, "message": message, "param": None, "line": line}
