"""Client of models behind an HTTP API. Every call of a model goes through this module."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pydantic import ValidationError

from carteiro.models.answer_stream import AnswerStream
from carteiro.models.cloud import chat_completions, completions, messages, responses
from carteiro.models.cloud.api import Api, EndpointApi
from carteiro.models.cloud.background import BackgroundPolicy, BackgroundResponses, pending_id
from carteiro.models.cloud.batch_api.interface import BatchApi, RetryMode
from carteiro.models.cloud.batch_api.openai_batches import open_batch_api
from carteiro.models.cloud.call_usage import CallUsageMeter, MeteredQuota, usage_of
from carteiro.models.cloud.connection import ProviderConnection
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.errors import failure_in_200
from carteiro.models.cloud.format_changes import adapt_to_batch_result
from carteiro.models.cloud.format_negotiation import FormatNegotiation, ForwardedText
from carteiro.models.cloud.provider_options import served_tier
from carteiro.models.cloud.quota import Permit, Quota
from carteiro.models.cloud.request_format import Dialect, RequestFormat
from carteiro.models.cloud.response_body import find_error, parse_lenient_json, read_body, read_headers
from carteiro.models.cloud.streaming import StreamedAnswer, stream_answer
from carteiro.models.cloud.token_counts import count_prompt_tokens, estimate_tokens, load_token_counter
from carteiro.models.errors import (
    ModelError,
    QuotaExhausted,
    RateLimited,
    TierUnavailable,
    Unsupported,
    attach_usage,
)
from carteiro.models.file_support import reject_files
from carteiro.models.interface import BackgroundCall
from carteiro.models.prompt import Prompt
from carteiro.models.reasoning import ReasoningState, start_state_of_model
from carteiro.models.results import Completion
from carteiro.models.tool_support import reject_tools
from carteiro.schemas import ServiceTier

FLEX_SECONDS = 900.0
"""Longest duration of a call in the tier `flex`, if the timeout is not longer
(https://developers.openai.com/api/docs/guides/flex-processing)."""
_MIN_SECONDS = 0.1
"""Seconds that a repeated call has at least."""
APIS: dict[EndpointApi, Api] = {
    "chat": chat_completions,
    "responses": responses,
    "completions": completions,
    "messages": messages,
}


@dataclass(slots=True)
class _PromptCalls:
    """The calls for one prompt. `forwarded` receives the completion in pieces; None if it is not streamed. `background`
    is None if the answer is not written in the background.
    """

    prompt: Prompt
    forwarded: ForwardedText | None
    background: BackgroundCall | None = None
    seconds: float = 0.0
    """Duration of the calls so far, without the time of an answer in the background."""


class CloudModel:
    """A chat model behind an HTTP API.

    `name` is the model's name in replies. `endpoint` says how it is called. `timeout` bounds a complete call, in
    seconds, from connecting to the last byte. A call is not retried here, except with a credential that has just been
    replaced: the worker decides about retries, and the `quota` about the start of a call.

    Each model has its own client. Its connections stay open between calls; `close` closes them.

    `batches` completes prompts later and at a lower price: its lines hold a `body`, and `completion` reads their
    answers. It is None if the provider has no batches.

    `background` is the policy for calls in the background; None if there are no such calls.
    """

    context_tokens: None = None
    """None: only the provider knows the size of the context."""
    is_small = False
    remote = True

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        *,
        timeout: float,
        quota: Quota | None = None,
        background: BackgroundPolicy | None = None,
    ) -> None:
        self.name = name
        self._quota = quota or Quota()
        self._metered_quota = MeteredQuota(self._quota)
        self._token_counter: Callable[[str], int] = estimate_tokens
        self._endpoint = endpoint
        self._api = APIS[endpoint.api]
        self._dialect = Dialect(endpoint.model, endpoint.form)
        # The Completions API has no chat template that could open the reasoning.
        self._start_state = (
            ReasoningState.ANSWER if endpoint.api == "completions" else start_state_of_model(endpoint.model)
        )
        self._connection = ProviderConnection(name, endpoint, timeout)
        self._client = self._connection.client
        self._background = BackgroundResponses(self._connection, background) if background is not None else None
        self.batches: BatchApi | None = open_batch_api(self._connection, self._api.PATH)

    async def load(self) -> None:
        """Check the credential. The provider is not called: an outage must not keep a worker from starting.

        Raise `ModelUnusable` if there is no credential.
        """
        await self._endpoint.credential.check()
        self._token_counter = await asyncio.to_thread(load_token_counter, self._endpoint.model)

    async def close(self) -> None:
        """Close the connections. Calls in flight fail."""
        await self._connection.close()

    def count_tokens(self, text: str) -> int:
        """Count the text's tokens if the model's vocabulary is known, else estimate them."""
        return self._token_counter(text)

    async def complete(self, prompt: Prompt) -> Completion:
        """Complete the prompt.

        A truncated completion is returned with `finish_reason` `length`, also if JSON was requested; it may be empty.
        Raise the errors of `carteiro.models.errors`, with the SDK's error as the cause.
        """
        return await self._call(prompt, None)

    async def stream(self, prompt: Prompt, on_text: Callable[[str], None]) -> Completion:
        """Complete the prompt. Call `on_text` with each piece of the completion. Raise the errors that `complete`
        raises.
        """
        return await self._call(prompt, on_text)

    def runs_in_background(self, prompt: Prompt) -> bool:
        """Return True if the prompt belongs in the background."""
        if self._background is None or not self._background.policy.is_long(self._endpoint.model, prompt):
            return False
        form = self._dialect.format_for(prompt)
        return "background" not in form.omitted and not form.streams

    async def complete_in_background(self, prompt: Prompt, call: BackgroundCall) -> Completion:
        """Complete the prompt, or wait for the answer whose id `call` has. Raise the errors that `complete` raises."""
        return await self._call(prompt, None, call)

    async def cancel_answer(self, identity: str) -> None:
        """Cancel an answer in the background. Raise the errors of `carteiro.models.errors`."""
        if self._background is not None:
            await self._background.cancel(identity)

    @property
    def service_tiers(self) -> Collection[ServiceTier]:
        """Tiers in which the provider may serve a call."""
        return self._endpoint.tiers.keys()

    @property
    def retry_after_seconds(self) -> float:
        """Seconds for which the provider has asked for no calls; 0 if the model may be called."""
        return self._quota.retry_after

    @property
    def quota_wait_seconds(self) -> float:
        """Longest time that a call has been waiting for the quota, in seconds; 0 if none waits."""
        return self._quota.wait_seconds

    def body(self, prompt: Prompt) -> dict[str, Any]:
        """Return the body of the request for this prompt's completion."""
        return self._body(prompt, replace(self._dialect.format_for(prompt), streams=False), streams=False)

    def _body(
        self, prompt: Prompt, form: RequestFormat, *, streams: bool, in_background: bool = False
    ) -> dict[str, Any]:
        self._reject_unsupported(prompt)
        body = self._api.request(self._endpoint, prompt, form)
        streams = (streams or form.streams) and "stream" not in form.omitted
        if streams:
            return self._api.streamed(body, form)
        in_background = in_background and "background" not in form.omitted
        return responses.in_background(body, form) if in_background else body

    def _reject_unsupported(self, prompt: Prompt) -> None:
        """Raise `Unsupported` for what no model of the provider takes."""
        endpoint = self._endpoint
        reject_files(prompt, self.name, [kind for kind in self._api.MEDIA if kind != "image" or endpoint.images])
        if not endpoint.tools:
            reject_tools(prompt, self.name, "a model of another provider")

    def adapt(self, prompt: Prompt, body: dict[str, Any], outcome: ModelError | Completion) -> RetryMode:
        """Learn from the outcome of `body` in a batch. Return the way to retry the prompt."""
        return adapt_to_batch_result(self._dialect, prompt, body, outcome, self.body)

    def completion(self, answer: Any, prompt: Prompt) -> Completion:
        """Return the completion in an answer's JSON. Raise the errors that `complete` raises if it holds no
        completion.
        """
        try:
            return self._api.completion(answer, prompt, self.name, self._start_state)
        except ValidationError as error:
            failure = self._connection.not_a_completion_error()
            attach_usage(failure, usage_of(answer))
            raise failure from error
        except ModelError as failure:
            attach_usage(failure, failure.usage or usage_of(answer))
            raise

    async def _call(
        self, prompt: Prompt, on_text: Callable[[str], None] | None, background: BackgroundCall | None = None
    ) -> Completion:
        """Call the model. Call it again in another form if it rejects something that we added to the request, or if a
        limit that we chose cuts its reasoning.
        """
        calls = _PromptCalls(prompt, None if on_text is None else ForwardedText(on_text), background)
        in_background = background is not None
        build_body = partial(self._body, prompt, streams=on_text is not None, in_background=in_background)
        form = self._dialect.format_for(prompt)
        body = build_body(form)
        outcome: Completion | ModelError
        try:
            outcome = await self._attempt(calls, body)
        except ModelError as failure:
            outcome = failure
        else:
            if outcome.finish_reason != "length":
                self._dialect.record_accepted(body, form)
                return outcome
        negotiation = FormatNegotiation(self._dialect, prompt, form, build_body, calls.forwarded)
        return await negotiation.run(outcome, partial(self._attempt, calls))

    async def _attempt(self, calls: _PromptCalls, body: dict[str, Any]) -> Completion:
        """Make one HTTP call, within the quota. All calls for a prompt together take no longer than the timeout."""
        prompt, clock = calls.prompt, asyncio.get_running_loop().time
        flex, timeout = prompt.service_tier == "flex" and "service_tier" in body, self._connection.timeout
        timeout = max(timeout, FLEX_SECONDS) if flex else timeout
        if calls.background is not None:
            if (kept := await self._kept_answer(calls.background)) is not None:
                return self._read_completion(kept, {}, prompt)
            calls.background.on_asked()
        prompt_tokens = await count_prompt_tokens(prompt, self._token_counter)
        async with self._metered_quota.call(prompt_tokens, prompt.max_output_tokens, prompt.rank) as (permit, meter):
            began = clock()
            left = max(round(timeout - calls.seconds, 1), _MIN_SECONDS) if calls.seconds or flex else None
            try:
                if calls.forwarded is None:
                    answer, headers = await self._send(body, meter, left)
                else:
                    answer, headers = await self._send_streamed(body, prompt, calls.forwarded, meter, left)
            except RateLimited as limited:
                # Other tiers have capacities of their own: their calls need no pause.
                if flex and not isinstance(limited, QuotaExhausted):
                    raise TierUnavailable(f"{self.name} has no capacity in the tier flex now") from limited
                raise
            finally:
                calls.seconds += clock() - began
            if calls.background is not None and (identity := pending_id(answer)) is not None:
                permit.completed(None, headers, queued=True)
                answer = await self._answer_in_background(calls.background, identity)
            return self._complete_call(permit, meter, answer, headers, prompt)

    async def _kept_answer(self, call: BackgroundCall) -> Any:
        """Return the answer that was begun earlier, once it is at its end; None if there is no such answer."""
        if call.id is None or self._background is None:
            return None
        if call.is_superseded:
            return await self._background.fetch_finished(call)
        return await self._background.follow(call, is_new=False)

    async def _answer_in_background(self, call: BackgroundCall, identity: str) -> Any:
        assert self._background is not None
        await call.begin(identity)
        if (answer := await self._background.follow(call, is_new=True)) is None:
            raise Unsupported(f"{self.name} does not keep answers in the background", "background")
        return answer

    async def _send(
        self, body: dict[str, Any], meter: CallUsageMeter, timeout: float | None = None
    ) -> tuple[Any, Mapping[str, str]]:
        """Return the answer's JSON and its headers, with names in lower case. Every call without streaming goes through
        here.

        `timeout` is in seconds; the default is the connection's. Raise the errors of `carteiro.models.errors`.
        """
        async with self._connection.translate_errors(timeout, request_body=body):
            response = await self._connection.post(self._api.PATH, body)
            headers, content = read_headers(response), await read_body(response)
        try:
            answer = parse_lenient_json(content.decode(errors="surrogateescape"))
        except ValueError as error:
            answer = StreamedAnswer(self.name, self._endpoint, headers, body).decode(content)
            if answer is None:
                raise self._connection.not_a_completion_error(is_json=False) from error
        if isinstance(answer, list) and len(answer) == 1:  # Gemini wraps errors so.
            answer = answer[0]
        meter.on_answer(answer)
        if (found := find_error(answer)) is not None:
            raise failure_in_200(found, self.name, self._endpoint, headers, body)
        return answer, headers

    async def _send_streamed(
        self,
        body: dict[str, Any],
        prompt: Prompt,
        on_text: Callable[[str], None],
        meter: CallUsageMeter,
        timeout: float | None,
    ) -> tuple[Any, Mapping[str, str]]:
        shown = AnswerStream(prompt.stop, on_text, self._start_state)
        answer, headers = await stream_answer(self._connection, self._api.PATH, body, shown, meter, timeout)
        if shown.reasoning.missing_opening_tag:
            self._start_state = ReasoningState.UNKNOWN
        return answer, headers

    def _complete_call(
        self, permit: Permit, meter: CallUsageMeter, answer: Any, headers: Mapping[str, str], prompt: Prompt
    ) -> Completion:
        meter.on_answer(answer)
        try:
            completion = self._read_completion(answer, headers, prompt)
        except ModelError as failure:
            if not isinstance(failure, RateLimited):
                permit.completed(None, headers)
            raise
        self._metered_quota.record_completion(permit, completion.usage, headers)
        return completion

    def _read_completion(self, answer: Any, headers: Mapping[str, str], prompt: Prompt) -> Completion:
        """Return the completion, with the tier that served it if the prompt names one."""
        completion = self.completion(answer, prompt)
        if prompt.service_tier and not completion.usage.service_tier and (tier := served_tier(answer, headers)):
            usage = completion.usage.model_copy(update={"service_tier": tier})
            completion = replace(completion, usage=usage)
        return completion
