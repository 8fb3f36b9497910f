"""Answers of the Responses API in the background: the provider writes and keeps them while nobody is connected
(https://developers.openai.com/api/docs/guides/background,
https://learn.microsoft.com/azure/foundry/openai/how-to/responses).
"""

import asyncio
import contextlib
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from carteiro.concurrency.backoff import Backoff
from carteiro.models.cloud.call_usage import status_error_of
from carteiro.models.cloud.connection import ProviderConnection
from carteiro.models.cloud.response_body import parse_lenient_json, read_body
from carteiro.models.cloud.responses import PATH, PENDING_STATUSES, WRITTEN_STATUSES
from carteiro.models.errors import ModelError, RateLimited, Unavailable
from carteiro.models.interface import RESPONSE_ID, BackgroundCall
from carteiro.models.prompt import Prompt

MAX_SECONDS = 3600.0
"""Longest time for which one worker waits for an answer. Then the answer is cancelled."""
_MAX_FAILURES = 5
"""Maximum number of polls in a row that may fail. The answer is not lost by them: it can be polled again."""
_GONE = (400, 404, 410)
"""Statuses of a poll whose id the provider does not know, does not accept, or has deleted."""
_LONG_MODELS = re.compile(r"(^|-)(pro|deep-research)(-|$)")
"""Models that take minutes for an answer (https://platform.openai.com/docs/models): gpt-5-pro, o3-deep-research."""


@dataclass(frozen=True, slots=True)
class BackgroundPolicy:
    """Policy for calls in the background. `poll_seconds` are the first and the longest pause between two polls."""

    min_output_tokens: int
    """Limit of output tokens from which a call counts as long."""
    poll_seconds: tuple[float, float] = (2.0, 10.0)

    def is_long(self, model: str, prompt: Prompt) -> bool:
        """Return True if a call is expected to be long: by the model's name, high thinking, or its limit of output
        tokens.
        """
        return (
            prompt.reasoning == "high"
            or (prompt.max_output_tokens or 0) >= self.min_output_tokens
            or _LONG_MODELS.search(model) is not None
        )


class BackgroundResponses:
    """Answers in the background of the model behind `connection`."""

    def __init__(self, connection: ProviderConnection, policy: BackgroundPolicy) -> None:
        self._connection, self.policy = connection, policy

    async def follow(self, call: BackgroundCall, *, is_new: bool) -> Any:
        """Wait for the end of a call that has an id, and return the JSON of its answer; None if the provider does not
        know the id. A new id may be unknown for a moment.

        The id is forgotten, except after errors of polls: another try finds the answer. Raise the errors of
        `carteiro.models.errors`.
        """
        identity, failures, was_seen = call.id, 0, False
        assert identity is not None
        backoff = Backoff(*self.policy.poll_seconds)
        try:
            async with asyncio.timeout(MAX_SECONDS):
                if is_new:
                    await backoff.pause()
                while True:
                    try:
                        answer = await self._fetch(identity)
                    except (Unavailable, RateLimited):
                        if failures >= _MAX_FAILURES:
                            raise
                        failures += 1
                    else:
                        if answer is not None and answer["status"] in PENDING_STATUSES:
                            failures, was_seen = 0, True
                        elif answer is not None or not is_new or failures >= _MAX_FAILURES:
                            break
                        else:
                            failures += 1
                    await backoff.pause()
        except TimeoutError:
            call.end()
            with contextlib.suppress(ModelError):
                await self.cancel(identity)
            raise Unavailable(f"{self._connection.name} gave no answer within {MAX_SECONDS:g} s") from None
        call.end()
        if answer is None and was_seen:
            raise Unavailable(f"{self._connection.name} has lost an answer in the background")
        return answer

    async def fetch_finished(self, call: BackgroundCall) -> Any:
        """Return the JSON of the answer to a call that has an id; None if it is not there, or that is unknown now."""
        assert call.id is not None
        with contextlib.suppress(Unavailable, RateLimited):
            answer = await self._fetch(call.id)
            if answer is not None and answer["status"] in WRITTEN_STATUSES:
                call.end()
                return answer
        return None

    async def cancel(self, identity: str) -> None:
        """Cancel an answer. Raise the errors of `carteiro.models.errors`."""
        async with self._connection.translate_errors():
            await read_body(await self._connection.post(f"{_path(identity)}/cancel", None))

    async def _fetch(self, identity: str) -> dict[str, Any] | None:
        """Return the JSON of an answer, which has a status; None if the provider does not know the id."""
        try:
            async with self._connection.translate_errors():
                content = await read_body(await self._connection.get(_path(identity)))
        except ModelError as failure:
            refusal = status_error_of(failure)
            if refusal is not None and refusal.status_code in _GONE:
                return None
            raise
        try:
            answer = parse_lenient_json(content.decode(errors="surrogateescape"))
        except ValueError as error:
            raise self._connection.not_a_completion_error(is_json=False) from error
        if not isinstance(answer, dict) or not isinstance(answer.get("status"), str):
            raise self._connection.not_a_completion_error()
        return answer


def pending_id(answer: Any) -> str | None:
    """Return the id in an answer's JSON if the answer is written in the background; None if it is at its end."""
    if not isinstance(answer, dict) or answer.get("status") not in PENDING_STATUSES:
        return None
    identity = answer.get("id")
    return identity if isinstance(identity, str) and re.fullmatch(RESPONSE_ID, identity) else None


def _path(identity: str) -> str:
    return f"{PATH}/{quote(identity, safe='')}"
