"""Client of embedding models behind an HTTP API."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from carteiro.models.cloud import embeddings
from carteiro.models.cloud.batch_api.interface import BatchApi, RetryMode
from carteiro.models.cloud.batch_api.openai_batches import open_batch_api
from carteiro.models.cloud.call_usage import CallUsageMeter, MeteredQuota, usage_of
from carteiro.models.cloud.connection import ProviderConnection
from carteiro.models.cloud.embedding_format import QUERY_OR_PASSAGE
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.errors import failure_in_200
from carteiro.models.cloud.quota import Quota
from carteiro.models.cloud.response_body import find_error, parse_lenient_json, read_body, read_headers
from carteiro.models.cloud.shared_calls import SharedCalls
from carteiro.models.cloud.token_counts import estimate_tokens, load_token_counter
from carteiro.models.embedding_batches import REFUSALS_OF_TEXTS, embed_in_batches
from carteiro.models.errors import InvalidPrompt, ModelError, RateLimited, Unavailable, Unsupported
from carteiro.models.interface import BatchLimit
from carteiro.models.prompt import EmbeddingPrompt, InputType
from carteiro.models.results import Embeddings
from carteiro.schemas import Usage

_LARGE_BODY = 100_000
"""Bytes of an answer from which on its reading would block the event loop."""


class CloudEmbedder:
    """An embedding model behind an HTTP API. It is no chat model.

    `name` is the model's name in replies. `endpoint` says how it is called. `timeout` bounds a complete call, in
    seconds. A call is not retried here, except with a credential that has just been replaced, or in another form if
    the server rejects an option that we added.

    The connections stay open between calls; `close` closes them.

    `batches` embeds texts later and at a lower price. It is None if the provider has no batches of vectors in OpenAI's
    form, as Google.
    """

    context_tokens: None = None
    """None: only the provider knows the longest text."""
    is_small = False
    remote = True

    def __init__(self, name: str, endpoint: Endpoint, *, timeout: float, quota: Quota | None = None) -> None:
        self.name = name
        self._endpoint = endpoint
        self._format = endpoint.embeddings
        self.batch_limit = BatchLimit(self._format.max_texts)
        self._shared_calls = SharedCalls(self._embed_prompt, self.batch_limit)
        self._quota = quota or Quota()
        self._metered_quota = MeteredQuota(self._quota)
        self._token_counter: Callable[[str], int] = estimate_tokens
        self._connection = ProviderConnection(name, endpoint, timeout)
        has_batches = endpoint.batches is not None and endpoint.batches.google_files is None
        self.batches: BatchApi | None = open_batch_api(self._connection, embeddings.PATH) if has_batches else None

    async def load(self) -> None:
        """Check the credential. The provider is not called: an outage must not keep a worker from starting.

        Raise `ModelUnusable` if there is no credential.
        """
        await self._endpoint.credential.check()
        self._token_counter = await asyncio.to_thread(load_token_counter, self._endpoint.model)

    async def close(self) -> None:
        """Close the connections. Calls in flight fail."""
        await self._shared_calls.close()
        await self._connection.close()

    def count_tokens(self, text: str) -> int:
        """Count the text's tokens if the model's vocabulary is known, else estimate them."""
        return self._token_counter(text)

    @property
    def retry_after_seconds(self) -> float:
        """Seconds for which the provider has asked for no calls; 0 if the model may be called."""
        return self._quota.retry_after

    @property
    def quota_wait_seconds(self) -> float:
        """Longest time that a call has been waiting for the quota, in seconds; 0 if none waits."""
        return self._quota.wait_seconds

    async def embed(
        self, texts: Sequence[str], *, input_type: InputType | None = None, dimensions: int | None = None
    ) -> Embeddings:
        """Return a vector of length 1 for each text, also if the provider's vectors have another length.

        Raise the errors of `carteiro.models.errors`; that of a text names its index.
        """
        if not texts:
            return Embeddings([], Usage())
        call = partial(self.embed_batch, input_type=input_type, dimensions=dimensions)
        return await embed_in_batches(self.batch_limit, call, texts)

    async def embed_batch(
        self, texts: Sequence[str], *, input_type: InputType | None = None, dimensions: int | None = None
    ) -> Embeddings:
        """Return a vector of length 1 for each text, from one call, which other callers may share.

        Raise the errors of `carteiro.models.errors`.
        """
        tokens = await asyncio.to_thread(lambda: sum(map(self._token_counter, texts)))
        prompt = EmbeddingPrompt(texts=texts, input_type=input_type, dimensions=dimensions)
        return await self._shared_calls.embed(prompt, tokens)

    async def _embed_prompt(self, prompt: EmbeddingPrompt, tokens: int) -> Embeddings:
        """Make one call, and another one if the server rejects the form. `tokens` are those of the prompt."""
        while True:
            form, body = self._format, self.body(prompt)
            try:
                return await self._call(body, tokens, prompt)
            except (InvalidPrompt, Unsupported) as refusal:
                self._adapt(body, refusal, prompt.input_type)
                if self._format == form:
                    raise

    def body(self, prompt: EmbeddingPrompt) -> dict[str, Any]:
        """Return the body of the request for the vectors of a prompt's texts."""
        return embeddings.request(
            self._endpoint.model,
            prompt.texts,
            self._format,
            input_type=prompt.input_type,
            dimensions=prompt.dimensions,
        )

    def completion(self, answer: Any, prompt: EmbeddingPrompt) -> Embeddings:
        """Return the vectors in an answer's JSON. Raise the errors of `carteiro.models.errors`."""
        vectors = embeddings.read_vectors(answer, len(prompt.texts), self.name, prompt.dimensions)
        usage = usage_of(answer)
        if usage is None or not usage.input_tokens:
            usage = Usage(input_tokens=sum(map(self._token_counter, prompt.texts)))
        return Embeddings(vectors, usage)

    def adapt(self, prompt: EmbeddingPrompt, body: dict[str, Any], outcome: ModelError | Embeddings) -> RetryMode:  # noqa: ARG002
        """Return the way to retry texts after the outcome of `body` in a batch.

        Texts that are refused together are sent live, in parts: one of them may be the cause.
        """
        return RetryMode.LIVE if isinstance(outcome, (*REFUSALS_OF_TEXTS, Unsupported)) else RetryMode.NO

    def _adapt(self, body: Mapping[str, Any], refusal: ModelError, input_type: InputType | None) -> None:
        """Change the form of requests if the server rejects an option that we added, or requires `input_type`."""
        if "encoding_format" in body and "encoding_format" in refusal.message:
            self._format = replace(self._format, base64=False)
        elif "input_type" not in body and "input_type" in refusal.message and input_type is not None:
            self._format = replace(self._format, input_types=QUERY_OR_PASSAGE)

    async def _call(self, body: dict[str, Any], tokens: int, prompt: EmbeddingPrompt) -> Embeddings:
        """Make one HTTP call, within the quota. `tokens` is the number of tokens of the prompt."""
        async with self._metered_quota.call(tokens, 0) as (permit, meter):
            async with self._connection.translate_errors(request_body=body):
                answer, headers = await self._send(body, meter)
            try:
                embedded = await asyncio.to_thread(self.completion, answer, prompt)
            except ModelError as failure:
                if not isinstance(failure, RateLimited):
                    permit.completed(None, headers)
                raise
            self._metered_quota.record_completion(permit, embedded.usage, headers)
            return embedded

    async def _send(self, body: dict[str, Any], meter: CallUsageMeter) -> tuple[Any, Mapping[str, str]]:
        """Return the answer's JSON and its headers, with names in lower case."""
        response = await self._connection.post(embeddings.PATH, body)
        headers, content = read_headers(response), await read_body(response)
        try:
            if len(content) < _LARGE_BODY:
                answer = _parse(content)
            else:
                answer = await asyncio.to_thread(_parse, content)
        except ValueError as error:
            raise Unavailable(f"{self.name} answered with something that is not JSON") from error
        meter.on_answer(answer)
        has_vectors = isinstance(answer, dict) and bool(answer.get("data"))
        if not has_vectors and (found := find_error(answer)) is not None:
            raise failure_in_200(found, self.name, self._endpoint, headers, body)
        return answer, headers


def _parse(content: bytes) -> Any:
    answer = parse_lenient_json(content.decode(errors="surrogateescape"))
    return answer[0] if isinstance(answer, list) and len(answer) == 1 else answer  # Gemini wraps errors so.
