"""The one place from which models in a cloud are called."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

import httpx2
from openai import AsyncStream
from pydantic import ValidationError
from pydantic_core import from_json

from carteiro.models.cloud import chat_completions, completions, responses
from carteiro.models.cloud.api import ApiName
from carteiro.models.cloud.batches.interface import Batches
from carteiro.models.cloud.batches.provided import open_batches
from carteiro.models.cloud.connection import Connection, Headers
from carteiro.models.cloud.counting import count_tokens, counter_of
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.quota import Place, Quota
from carteiro.models.failures import ModelFailure, QuotaExhausted, RateLimited
from carteiro.models.interface import Completion, Prompt
from carteiro.models.stop_texts import UntilStop

_LONG_TEXT = 20_000
"""Characters from which on counting would hold the event loop up."""
_FIRST_GUESS, _CALLS_REMEMBERED = 256.0, 16
"""How many tokens a completion is expected to have: at first, and as a mean over the last calls or so."""


class Pieces(Protocol):
    """An answer that comes in pieces."""

    def add(self, piece: Any) -> str:
        """The text that the piece adds."""

    def answer(self) -> Any:
        """The answer's JSON, as it would have come in one."""


class Api(Protocol):
    """One of OpenAI's APIs: pure functions from a prompt to a request, and from an answer to a completion."""

    PATH: str

    def request(self, endpoint: Endpoint, prompt: Prompt) -> dict[str, Any]:
        """The request's body."""

    def completion(self, answer: Any, prompt: Prompt, name: str) -> Completion:
        """What the answer's JSON says."""

    def streamed(self, body: dict[str, Any]) -> dict[str, Any]:
        """The request's body where the answer is to come in pieces."""

    @property
    def Pieces(self) -> type[Pieces]:  # noqa: N802
        """What puts an answer together from its pieces."""


APIS: dict[ApiName, Api] = {"chat": chat_completions, "responses": responses, "completions": completions}


class CloudModel:
    """A chat model behind an HTTP API.

    `name` is what replies call the model; `endpoint` says where it is and how it is called. `timeout` bounds a whole
    call, in seconds, from connecting to the last byte. Nothing is tried twice, but for a credential that has just been
    replaced: whether to retry is the worker's decision, and when a call may begin the `quota`'s.

    Each model has its own client; its connections are kept open between calls and given back by `close`.

    `batches` does prompts later and for less: lines with `body`, whose answers `completion` understands. It is None
    where the provider has no such thing.
    """

    context_tokens: None = None
    """Only the provider knows."""
    small = False

    def __init__(self, name: str, endpoint: Endpoint, *, timeout: float, quota: Quota | None = None) -> None:
        self.name = name
        self._quota = quota or Quota()
        self._usual_output = _FIRST_GUESS
        self._count: Callable[[str], int] = count_tokens
        self._endpoint = endpoint
        self._api = APIS[endpoint.api]
        self._connection = Connection(name, endpoint, timeout)
        self._client = self._connection.client
        self.batches: Batches | None = open_batches(self._connection, self._api.PATH)

    async def load(self) -> None:
        """Check the credential. The provider is not called: one that is down must not keep a worker from starting.

        Raises `ModelUnusable` where no credential is found.
        """
        await self._endpoint.credential.check()
        self._count = await asyncio.to_thread(counter_of, self._endpoint.model)

    async def close(self) -> None:
        """Close the connections. Calls still in flight fail."""
        await self._connection.close()

    def count_tokens(self, text: str) -> int:
        """Count the text's tokens where the model's vocabulary is known, else estimate."""
        return self._count(text)

    async def complete(self, prompt: Prompt) -> Completion:
        """Complete the prompt with one call.

        A completion that was cut is returned with `finish_reason` `length`, also where JSON was asked for; it may
        be empty. Raises what `carteiro.models.failures` names, with the SDK's error as its cause.
        """
        async with self._place(prompt) as place:
            answer, headers = await self._send(self.body(prompt))
            return self._settled(place, answer, headers, prompt)

    async def stream(self, prompt: Prompt, say: Callable[[str], None]) -> Completion:
        """Complete the prompt with one call; `say` is given what is written as it comes. Raises as `complete` does."""
        pieces, shown = self._api.Pieces(), UntilStop(prompt.stop)
        async with self._place(prompt) as place:
            async with self._connection.failures():
                body = self._api.streamed(self.body(prompt))
                async with await self._post(body, stream=True) as events:
                    headers = dict(events.response.headers)
                    async for event in events:
                        if text := shown.add(pieces.add(event)):
                            say(text)
            completion = self._settled(place, pieces.answer(), headers, prompt)
        if text := shown.end():
            say(text)
        return completion

    def body(self, prompt: Prompt) -> dict[str, Any]:
        """The body of the request that asks for this prompt's completion."""
        return self._api.request(self._endpoint, prompt)

    def completion(self, answer: Any, prompt: Prompt) -> Completion:
        """The completion in an answer's JSON. Raises as `complete` does for an answer that holds none."""
        try:
            return self._api.completion(answer, prompt, self.name)
        except ValidationError as error:
            raise self._connection.no_completion() from error

    @asynccontextmanager
    async def _place(self, prompt: Prompt) -> AsyncIterator[Place]:
        """Around a call: begins when the quota allows it, however late, and tells it of a refusal."""
        prompted = await self._tokens_of(prompt)
        async with self._quota.call(prompted + (prompt.max_output_tokens or self._usual_output)) as place:
            try:
                yield place
            except QuotaExhausted:
                raise  # no pace helps
            except RateLimited as limited:
                place.refused(limited.retry_after, limited.headers)
                raise

    async def _tokens_of(self, prompt: Prompt) -> int:
        texts = [message.content for message in prompt.messages]
        if sum(map(len, texts)) < _LONG_TEXT:
            return sum(map(self._count, texts))
        return await asyncio.to_thread(lambda: sum(map(self._count, texts)))

    def _settled(self, place: Place, answer: Any, headers: Mapping[str, str], prompt: Prompt) -> Completion:
        try:
            completion = self._api.completion(answer, prompt, self.name)
        except ValidationError as error:
            raise self._connection.no_completion() from error
        except ModelFailure as failure:
            if not isinstance(failure, RateLimited):
                place.settle(None, headers)
            raise
        usage = completion.usage
        self._usual_output += (usage.output_tokens - self._usual_output) / _CALLS_REMEMBERED
        place.settle(usage.input_tokens + usage.output_tokens, headers)
        return completion

    async def _send(self, body: dict[str, Any]) -> tuple[Any, Mapping[str, str]]:
        """The answer's JSON and its headers, their names in lower case. Every call of the model goes through here.

        Raises what `carteiro.models.failures` names.
        """
        async with self._connection.failures():
            response: httpx2.Response = await self._post(body)
        try:
            return from_json(response.content), dict(response.headers)
        except ValueError as error:
            raise self._connection.no_completion() from error

    async def _post(self, body: dict[str, Any], *, stream: bool = False) -> Any:
        path = self._api.PATH

        async def send(headers: Headers) -> Any:
            options: Any = {"headers": headers, "params": self._endpoint.query}
            if stream:
                events = AsyncStream[object]
                return await self._client.post(
                    path, cast_to=object, body=body, options=options, stream=True, stream_cls=events
                )
            return await self._client.post(path, cast_to=httpx2.Response, body=body, options=options)

        return await self._connection.authorized(send)
