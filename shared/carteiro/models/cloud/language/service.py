"""Client of a language service behind an HTTP API: its calls, and what they cost."""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Self, TypeVar

from openai import APIStatusError
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from carteiro.concurrency.parallel_work import run_all
from carteiro.models.cloud.call_usage import MeteredQuota, may_have_used_tokens
from carteiro.models.cloud.connection import ProviderConnection
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.error_classifier import ERROR_IN_200
from carteiro.models.cloud.language.service_errors import service_failure
from carteiro.models.cloud.quota import Quota
from carteiro.models.cloud.response_body import parse_complete_json, read_body, read_headers
from carteiro.models.cloud.token_counts import estimate_tokens
from carteiro.models.errors import ModelError, RateLimited, Unavailable, attach_usage
from carteiro.models.interface import LanguageServiceModel
from carteiro.models.service_call import ServiceAnswer, ServiceCall, ServiceCallRunner
from carteiro.schemas import Usage
from carteiro.text.splitter import split_text
from carteiro.text.surrogates import repair_unicode

_LARGE_BODY = 100_000
"""Bytes of an answer from which on its reading would block the event loop."""
_MAX_COUNT = 10**9
_CALLS_AT_ONCE = 8
"""Calls at once for the parts of one text."""

ModelT = TypeVar("ModelT", bound=BaseModel)
R = TypeVar("R")


async def _run_once(call: ServiceCall, send: Callable[[], Awaitable[ServiceAnswer]]) -> ServiceAnswer:  # noqa: ARG001
    return await send()


class LanguageService(LanguageServiceModel):
    """A language service. A subclass has its abilities.

    `name` is the model's name in replies. `endpoint` says how it is called. `timeout` bounds one call, in seconds. A
    call is not retried here, except with a credential that has just been replaced: the runner decides about retries,
    and the quota about the start of a call.

    The connections stay open between calls; `close` closes them.
    """

    context_tokens: int | None = None
    is_small = False
    remote = True

    def __init__(self, name: str, endpoint: Endpoint, *, timeout: float, quota: Quota | None = None) -> None:
        self._name = name
        self._endpoint, self._timeout = endpoint, timeout
        self._quota = quota or Quota()
        self._metered_quota = MeteredQuota(self._quota)
        self._connection = ProviderConnection(name, endpoint, timeout)
        self._run: ServiceCallRunner = _run_once

    @property
    def name(self) -> str:
        """Name of the model in replies."""
        return self._name

    def with_runner(self, run: ServiceCallRunner) -> Self:
        """Return this model, each of whose calls `run` makes."""
        model = copy.copy(self)
        model._run = run  # noqa: SLF001 - its own class
        return model

    async def load(self) -> None:
        """Check the credential. The provider is not called: an outage must not keep a worker from starting.

        Raise `ModelUnusable` if there is no credential.
        """
        await self._endpoint.credential.check()

    async def close(self) -> None:
        """Close the connections. Calls in flight fail."""
        await self._connection.close()

    def count_tokens(self, text: str) -> int:
        """Return an estimate: the service counts no tokens."""
        return estimate_tokens(text)

    @property
    def retry_after_seconds(self) -> float:
        """Seconds for which the provider has asked for no calls; 0 if the service may be called."""
        return self._quota.retry_after

    @property
    def quota_wait_seconds(self) -> float:
        """Longest time that a call has been waiting for the quota, in seconds; 0 if none waits."""
        return self._quota.wait_seconds

    async def _call(
        self,
        text: str,
        charged: int,
        path: str,
        body: dict[str, Any],
        read: Callable[[Any, Mapping[str, str]], tuple[Any, Usage]],
    ) -> ServiceAnswer:
        """Make one call, by the runner and within the quota. `text` is the caller's text in `body`.

        `charged` is the number of characters that the call costs if it is cut. `read` returns the content, which is
        JSON, and the usage of an answer's JSON and headers. Raise the errors of `carteiro.models.errors`.
        """
        call = ServiceCall(text, path, body)
        return await self._run(call, lambda: self._call_once(call, charged, read))

    async def _call_once(
        self, call: ServiceCall, charged: int, read: Callable[[Any, Mapping[str, str]], tuple[Any, Usage]]
    ) -> ServiceAnswer:
        async with self._metered_quota.call(0, 0) as (permit, _):
            try:
                answer, headers = await self._post(call)
            except (ModelError, asyncio.CancelledError) as ended:
                if may_have_used_tokens(ended):
                    attach_usage(ended, Usage(characters=charged))
                raise
            try:
                if isinstance(answer, dict) and answer.get("error"):
                    raise service_failure(ERROR_IN_200, answer, self.name, self._endpoint, headers, call.text)
                content, usage = read(answer, headers)
            except ModelError as failure:
                if not isinstance(failure, RateLimited):
                    permit.completed(None, headers)
                if isinstance(failure, Unavailable) and failure.has_answered:
                    attach_usage(failure, Usage(characters=charged))
                raise
            permit.completed(None, headers)
            return ServiceAnswer(content, usage)

    async def _post(self, call: ServiceCall) -> tuple[Any, Mapping[str, str]]:
        """Return the answer's JSON and its headers, with names in lower case."""
        async with self._connection.translate_errors():
            try:
                response = await self._connection.post(call.path, call.body)
            except APIStatusError as error:
                raise self._failure(error, call.text) from None
            headers, content = read_headers(response), await read_body(response)
        return await self._parse(content), headers

    async def _parse(self, content: bytes) -> Any:
        text = content.decode(errors="replace")
        try:
            if len(content) < _LARGE_BODY:
                return parse_complete_json(text)
            return await asyncio.to_thread(parse_complete_json, text)
        except ValueError:
            raise Unavailable(f"{self.name} answered with something that is not JSON") from None

    def _failure(self, error: APIStatusError, text: str) -> ModelError:
        """Return the failure for a status that is an error. `text` is the caller's."""
        try:
            body = from_json(error.response.content)
        except Exception:  # noqa: BLE001 - no JSON, or a response that was never read
            body = error.body
        return service_failure(error.status_code, body, self.name, self._endpoint, error.response.headers, text)

    def _read(self, form: type[ModelT], answer: Any) -> ModelT:
        """Return an answer's JSON as `form`. Raise `Unavailable` if it has another form."""
        try:
            return form.model_validate(answer)
        except ValidationError:
            failure = Unavailable(f"{self.name} answered with something that was not asked for")
            failure.has_answered = True
            raise failure from None


def count(value: Any, default: int = 0) -> int:
    """Return a provider's count of characters or tokens; `default` if it is no such number."""
    if isinstance(value, str) and value.isdecimal() and value.isascii():
        value = int(value[:20])
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_COUNT
    return value if is_count else default


def billed_in_thousands(text: str) -> int:
    """Return the characters that are charged for one text, if each begun thousand is charged."""
    return -(-max(len(text), 1) // 1000) * 1000


async def split_by_length(text: str, limit: int, measure: Callable[[str], int]) -> list[str]:
    """Return the parts of a text, in which halves of characters are replaced. Joined, the parts are the text.

    Each part is at most `limit` long by `measure`. The text is cut at the ends of sentences, if possible.
    """
    text = repair_unicode(text)
    if len(text) <= limit and measure(text) <= limit:
        return [text]
    return await asyncio.to_thread(split_text, text, limit, measure)


async def run_parts(parts: list[str], work: Callable[[str], Coroutine[Any, Any, R]]) -> list[R]:
    """Return the results of `work` in the order of the parts. A few run at once; if one fails, all end."""
    if len(parts) == 1:
        return [await work(parts[0])]
    slots = asyncio.Semaphore(_CALLS_AT_ONCE)

    async def run_one(part: str) -> R:
        async with slots:
            return await work(part)

    return await run_all(map(run_one, parts))
