"""Tokens of a call: reserved in the quota before it, and recorded after it, also if it failed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientConnectorError, ClientError, ConnectionTimeoutError
from httpx2 import HTTPError
from openai import APIConnectionError, APIStatusError

from carteiro.models.cloud.provider_options import special_tier
from carteiro.models.cloud.quota import Permit, Quota
from carteiro.models.cloud.token_counts import estimate_tokens, read_usage
from carteiro.models.errors import ModelError, QuotaExhausted, RateLimited, attach_usage
from carteiro.schemas import Usage

_INITIAL_OUTPUT_TOKENS, _AVERAGED_CALLS = 256.0, 16
"""Expected tokens of a completion at the start, and the number of calls over which their mean is taken."""
_MAX_RESERVED_OUTPUT, _MEAN_OUTPUT_FACTOR = 4096, 4
"""Bounds of the output tokens that are reserved: a number, and a multiple of the mean. Callers set the limit of output
tokens to any number."""
_MAX_RESERVED_TOKENS = 200_000
"""Maximum tokens of prompt and completion that one call reserves: the context of most models."""
_MAX_DEPTH, _MAX_CAUSES = 12, 10
_INTERRUPTIONS = (asyncio.CancelledError, OSError, ValueError, APIConnectionError, ClientError, HTTPError)
"""Errors that cut a call short, or that an answer which is not the expected JSON causes."""
_TEXT_FIELDS = {"content", "refusal", "text", "delta", "reasoning", "reasoning_content", "arguments"}
"""Fields of an answer that hold the model's text."""


class MeteredQuota:
    """One model's `quota`, and the tokens that its calls reserve and use."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._mean_output_tokens = _INITIAL_OUTPUT_TOKENS

    @asynccontextmanager
    async def call(
        self, prompt_tokens: int, max_output_tokens: int | None, rank: int = 0
    ) -> AsyncIterator[tuple[Permit, "CallUsageMeter"]]:
        """Wait until the quota allows a call of this rank, and tell the quota the outcome of the block.

        An error that ends the block carries the tokens that the call used: `attached_usage` reads them.
        """
        async with self._quota.call(self._tokens_to_reserve(prompt_tokens, max_output_tokens), rank) as permit:
            meter = CallUsageMeter(prompt_tokens)
            try:
                yield permit, meter
            except RateLimited as limited:
                if isinstance(limited, QuotaExhausted):
                    permit.unused(limited.headers)  # A slower rate of calls does not help.
                else:
                    permit.rate_limited(limited.retry_after, limited.headers)
                attach_usage(limited, meter.usage_after(limited))
                raise
            except (ModelError, asyncio.CancelledError) as ended:
                _record_failed_call(permit, ended)
                attach_usage(ended, meter.usage_after(ended))
                raise

    def record_completion(self, permit: Permit, usage: Usage, headers: Mapping[str, str]) -> None:
        """Record the tokens of a completed call."""
        self._mean_output_tokens += (usage.output_tokens - self._mean_output_tokens) / _AVERAGED_CALLS
        queued = usage.service_tier == "flex"
        permit.completed(usage.input_tokens + usage.output_tokens, headers, queued=queued)

    def _tokens_to_reserve(self, prompt_tokens: int, limit: int | None) -> float:
        """Return the tokens that a call reserves."""
        output = self._mean_output_tokens
        if limit is not None:
            output = min(limit, max(_MAX_RESERVED_OUTPUT, _MEAN_OUTPUT_FACTOR * output))
        return min(prompt_tokens + output, _MAX_RESERVED_TOKENS)


def _record_failed_call(permit: Permit, ended: BaseException) -> None:
    """Give the tokens back if the call used none."""
    refusal = status_error_of(ended)
    if refusal is not None and refusal.status_code < 500:
        permit.unused({name.lower(): value for name, value in refusal.response.headers.items()})
    elif never_connected(ended):
        permit.unused()


def usage_of(answer: Any) -> Usage | None:
    """Return the usage in an answer's JSON; None if the answer has no count."""
    holders = (answer, _field(answer, "response"))
    found = (read_usage(_field(each, "usage"), special_tier(each)) for each in holders)
    return next((usage for usage in found if usage), None)


class CallUsageMeter:
    """Meter of the tokens that one call uses, as far as they are known here. `prompt_tokens` are the tokens of its
    prompt.
    """

    def __init__(self, prompt_tokens: int) -> None:
        self._prompt_tokens = prompt_tokens
        self._answer: Any = None
        self._partial_answer: Callable[[], Any] = lambda: None

    def watch_stream(self, partial_answer: Callable[[], Any]) -> None:
        """Follow an answer that is streamed. `partial_answer` returns the JSON of the answer so far."""
        self._partial_answer = partial_answer

    def on_answer(self, answer: Any) -> None:
        """Record the JSON of the complete answer."""
        self._answer = answer

    def usage_after(self, error: BaseException) -> Usage | None:
        """Return the usage of a call that ended with this error; None if it used nothing.

        The provider's own count comes first. Without it, the usage is the prompt's tokens and an estimate of the
        written text.
        """
        answer = self._read_partial_answer() if self._answer is None else self._answer
        if (reported := usage_of(answer)) is not None:
            return reported
        written = "".join(_written_texts(answer))
        if not written and (self._is_error() or not (self._is_completion() or may_have_used_tokens(error))):
            return None
        return Usage(input_tokens=self._prompt_tokens, output_tokens=estimate_tokens(written))

    def _read_partial_answer(self) -> Any:
        with contextlib.suppress(Exception):  # Pieces that end anywhere do not always make an answer.
            return self._partial_answer()
        return None

    def _is_error(self) -> bool:
        """True if the complete answer has arrived, and no model wrote it."""
        return self._answer is not None and not self._is_completion()

    def _is_completion(self) -> bool:
        """True if the complete answer has arrived and a model has read the prompt, even if it wrote nothing."""
        return any(_field(self._answer, name) for name in ("choices", "output", "content", "data"))


def may_have_used_tokens(error: BaseException) -> bool:
    """Return True if the prompt was sent and the answer did not arrive, or is unreadable.

    An error in place of an answer means that nothing was used. So does a token service that is unavailable.
    """
    if status_error_of(error) is not None or never_connected(error):
        return False
    return any(isinstance(each, _INTERRUPTIONS) for each in _causes(error, hidden=False))


def status_error_of(error: BaseException) -> APIStatusError | None:
    """Return the HTTP error that caused the failure, if any."""
    return next((each for each in _causes(error) if isinstance(each, APIStatusError)), None)


def never_connected(error: BaseException) -> bool:
    """Return True if the call failed before it had a connection."""
    return any(isinstance(each, ClientConnectorError | ConnectionTimeoutError) for each in _causes(error))


def _causes(error: BaseException | None, *, hidden: bool = True) -> Iterator[BaseException]:
    """Yield the error and its causes. If `hidden`, include the causes that no traceback shows."""
    for _ in range(_MAX_CAUSES):
        if error is None:
            return
        yield error
        shown = hidden or not error.__suppress_context__
        error = error.__cause__ or (error.__context__ if shown else None)


def _written_texts(part: Any, depth: int = _MAX_DEPTH) -> Iterator[str]:
    """Yield every text in an answer that the model wrote."""
    if not depth:
        return
    if isinstance(part, Mapping):
        for name, value in part.items():
            if isinstance(value, str):
                if name in _TEXT_FIELDS:
                    yield value
            else:
                yield from _written_texts(value, depth - 1)
    elif isinstance(part, list):
        for value in part:
            yield from _written_texts(value, depth - 1)


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None
