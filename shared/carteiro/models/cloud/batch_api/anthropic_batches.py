"""Anthropic's Message Batches (https://platform.claude.com/docs/en/build-with-claude/batch-processing).

A batch is created by one call that carries all requests: there are no input files, no names and no metadata. So a file
is kept in this process until its batch is created, and a batch is recognised by a token in the ids of its requests,
which only its results show.
"""

import json
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

from openai import APIStatusError
from pydantic import AwareDatetime, Field

from carteiro.models.cloud.batch_api.files import MAX_PAGES
from carteiro.models.cloud.batch_api.interface import BatchApi, BatchItemResult, BatchStatus, ProviderBatch
from carteiro.models.cloud.batch_api.jsonl import read_results, split_lines
from carteiro.models.cloud.batch_api.transport import MAX_BYTES, TRANSFER_SECONDS, Transport, concatenate
from carteiro.models.cloud.completion_builder import ResponsePart
from carteiro.models.cloud.connection import ProviderConnection
from carteiro.models.cloud.endpoint import BatchAddress, Endpoint
from carteiro.models.cloud.errors import failure_of_response
from carteiro.models.cloud.response_body import parse_lenient_json
from carteiro.models.errors import InvalidPrompt, Unavailable

_TOKEN_BYTES = 8
"""Bytes of a token. An id of a request, with its token, has at most 57 of the 64 characters that Anthropic allows."""
_MAX_KEPT_BYTES = 2**30
"""Maximum bytes of files that are kept. The oldest are forgotten first, and their prompts go into other batches."""
_CLOCK_SKEW_SECONDS = 600.0
_BEFORE_PARAMS = b'","params":'
_HTTP_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""HTTP statuses of errors (https://platform.claude.com/docs/en/api/errors). Any other is the provider's own fault."""


class _InputFile(NamedTuple):
    """A file, as its id describes it."""

    name: str
    token: str
    size: int
    """Number of requests."""
    created_at: int
    """Seconds since 1970."""

    @property
    def id(self) -> str:
        return ":".join(map(str, self))

    @classmethod
    def parse(cls, id: str) -> "_InputFile | None":  # noqa: A002
        name, *rest = id.split(":")
        if len(rest) != 3 or not (rest[1].isdecimal() and rest[2].isdecimal()):
            return None
        return cls(name, rest[0], int(rest[1]), int(rest[2]))


class AnthropicBatchApi(BatchApi):
    """Batches at `address`. Anthropic allows 100,000 requests and 256 MB, which is more than a file may have here."""

    max_bytes = MAX_BYTES

    def __init__(self, connection: ProviderConnection, address: BatchAddress) -> None:
        self._connection, self._transport = connection, Transport(connection)
        self._url = f"{address.url.rstrip('/')}/messages/batches"
        self._kept: dict[str, bytes] = {}
        """Contents of files whose batch is not created yet, by the files' ids."""
        self._tokens: dict[str, str] = {}
        """Tokens of batches whose ids are known."""

    def encode_line(self, id: str, body: dict[str, Any]) -> bytes:  # noqa: A002
        return f"{json.dumps({'custom_id': id, 'params': body}, ensure_ascii=False, separators=(',', ':'))}\n".encode()

    async def upload(self, name: str, lines: Iterable[bytes]) -> str:
        """Keep the requests until `submit`. Return the file's id, which tells what `find` has to know."""
        token, count = secrets.token_hex(_TOKEN_BYTES), 0

        def requests() -> Iterable[bytes]:
            nonlocal count
            for count, line in enumerate(lines, 1):  # noqa: B007
                identifier, separator, params = line.rstrip(b"\n").partition(_BEFORE_PARAMS)
                yield b"".join((identifier, b"_", token.encode(), separator, params, b",\n"))

        content = (await concatenate(requests())).getvalue().removesuffix(b",\n")
        file = _InputFile(name, token, count, int(time.time())).id
        self._kept[file] = b'{"requests":[' + content + b"]}"
        while sum(map(len, self._kept.values())) > _MAX_KEPT_BYTES:
            del self._kept[next(iter(self._kept))]
        return file

    async def wait_until_ready(self, file: str) -> None:
        """Raise `InvalidPrompt` if the file was lost with the process that kept it."""
        if file not in self._kept:
            raise InvalidPrompt(f"{self._transport.name}: the batch was lost with the worker that had collected it")

    async def submit(self, name: str, file: str) -> ProviderBatch:  # noqa: ARG002
        """Create a batch of the file. If the answer is lost, the batch may exist all the same: `find` tells."""
        await self.wait_until_ready(file)
        content = self._kept[file]
        async with self._transport.call_scope(TRANSFER_SECONDS):
            answer = await self._transport.send(
                "post",
                self._url,
                headers={"Content-Type": "application/json"},
                make_content=lambda: {"content": content},
            )
            batch = self._transport.parse_response(answer, partial(_parse_batch, file=file))
        self._kept.pop(file, None)
        if described := _InputFile.parse(file):
            self._tokens[batch.id] = described.token
        return batch

    async def find(self, name: str, file: str) -> list[ProviderBatch]:  # noqa: ARG002
        """Return the batches of this file, newest first.

        Raise `Unavailable` if a batch of the same size runs that may be one of them: only its results will tell.
        """
        if (wanted := _InputFile.parse(file)) is None:
            return []
        found, is_uncertain = [], False
        async for batch in self._list(wanted.created_at - _CLOCK_SKEW_SECONDS):
            if sum(batch.request_counts.values()) != wanted.size:
                continue
            token = self._tokens.get(batch.id)
            if token is None and batch.has_results:
                token = self._tokens[batch.id] = await self._read_token(batch.id)
            if token == wanted.token:
                found.append(batch.described(file))
            is_uncertain = is_uncertain or (token is None and not batch.ended)
        if is_uncertain and not found:
            raise Unavailable(f"{self._transport.name} does not tell yet if it has the batch: one of its size runs")
        return found

    async def retrieve(self, id: str) -> ProviderBatch:  # noqa: A002
        return await self._transport.request_json("get", self._batch_url(id), _parse_batch)

    async def results(self, batch: ProviderBatch) -> AsyncIterator[BatchItemResult]:
        parse = partial(_parse_result, model_name=self._connection.name, endpoint=self._connection.endpoint)
        for id in batch.output_files:  # noqa: A001
            async for result in read_results(self._download(id), parse, batch.id, id):
                yield result

    async def cancel(self, id: str) -> None:  # noqa: A002
        async with self._transport.call_scope():
            try:
                await self._transport.send("post", f"{self._batch_url(id)}/cancel")
            except APIStatusError as error:
                if error.status_code not in (400, 409) or (await self.retrieve(id)).status == "running":
                    raise

    async def delete_file(self, file: str) -> None:
        """Delete a file that is kept, or an ended batch with its results."""
        if _InputFile.parse(file):
            self._kept.pop(file, None)
            return
        self._tokens.pop(file, None)
        async with self._transport.call_scope():
            try:
                await self._transport.send("delete", self._batch_url(file))
            except APIStatusError as error:
                if error.status_code != 404:
                    raise

    async def list_files(self, prefix: str) -> list[tuple[str, str]]:
        return [(file, file.partition(":")[0]) for file in self._kept if file.startswith(prefix)]

    async def _list(self, since: float) -> "AsyncIterator[_MessageBatch]":
        """Yield the batches that were created since then (seconds since 1970), newest first."""
        query = {"limit": "100"}
        for _ in range(MAX_PAGES):
            page = await self._transport.request_json("get", self._url, _MessageBatchPage.model_validate, query=query)
            for batch in page.data:
                if batch.created_at.timestamp() < since:
                    return
                yield batch
            if not page.has_more or not page.last_id or query.get("after_id") == page.last_id:
                return
            query["after_id"] = page.last_id

    async def _read_token(self, id: str) -> str:  # noqa: A002
        """Return the token in the first result of a batch; empty if another program has created the batch."""
        async with aclosing(self._download(id)) as chunks:
            async for line in split_lines(chunks):
                result = _parse_line(line)
                return result.custom_id.rpartition("_")[2] if result else ""
        return ""

    def _download(self, id: str) -> AsyncGenerator[bytes, None]:  # noqa: A002
        # The address is not the one in `results_url`: behind a gateway that would take the key elsewhere.
        return self._transport.download(f"{self._batch_url(id)}/results")

    def _batch_url(self, id: str) -> str:  # noqa: A002
        return f"{self._url}/{quote(id, safe='')}"


class _MessageBatch(ResponsePart):
    id: str
    processing_status: str
    created_at: AwareDatetime
    request_counts: dict[str, int] = Field(default_factory=dict)
    cancel_initiated_at: datetime | None = None
    results_url: str | None = None

    @property
    def ended(self) -> bool:
        return self.processing_status == "ended"

    @property
    def has_results(self) -> bool:
        return self.ended and self.results_url is not None

    def described(self, file: str = "") -> ProviderBatch:
        """Return the batch of a file. Its results stand under its id."""
        status: BatchStatus = "running"
        if self.ended:
            expired = self.request_counts.get("expired", 0) > 0
            status = "cancelled" if self.cancel_initiated_at else "expired" if expired else "completed"
        return ProviderBatch(
            id=self.id,
            name=None,
            input_file=file,
            status=status,
            output_files=(self.id,) if self.has_results else (),
        )


class _MessageBatchPage(ResponsePart):
    data: list[_MessageBatch]
    has_more: bool = False
    last_id: str | None = None


class _Result(ResponsePart):
    type: str
    message: Any = None
    error: Any = None


class _MessageResultLine(ResponsePart):
    custom_id: str
    result: _Result


def _parse_batch(answer: Any, file: str = "") -> ProviderBatch:
    return _MessageBatch.model_validate(answer).described(file)


def _parse_line(line: bytes) -> _MessageResultLine | None:
    try:
        return _MessageResultLine.model_validate(parse_lenient_json(line.decode(errors="surrogateescape")))
    except ValueError:  # pydantic's `ValidationError` is a `ValueError`.
        return None


def _parse_result(line: bytes, model_name: str, endpoint: Endpoint) -> BatchItemResult | None:
    """Parse a line of results. Return None if it is unreadable. `model_name` is the model's name in failures."""
    if (read := _parse_line(line)) is None:
        return None
    identifier, result = read.custom_id.rpartition("_")[0], read.result
    if result.type == "succeeded":
        return BatchItemResult(identifier, answer=result.message)
    if result.type == "errored":
        inner = result.error.get("error") if isinstance(result.error, dict) else None
        kind = inner.get("type") if isinstance(inner, dict) else None
        status = _HTTP_STATUSES.get(kind, 500) if isinstance(kind, str) else 500
        return BatchItemResult(identifier, error=failure_of_response(status, result.error, model_name, endpoint))
    unfinished = {"expired": "the batch expired", "canceled": "the batch was cancelled"}
    reason = unfinished.get(result.type, "the batch ended")
    return BatchItemResult(
        identifier, error=Unavailable(f"{model_name} gave no answer: {reason} before the request was done")
    )
