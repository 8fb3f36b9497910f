"""The step that rejects invalid requests and selects the models and the deadline."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from carteiro.models.prompt import Message, Prompt
from carteiro.schemas import FieldError
from carteiro.schemas.generate import GenerateRequest
from carteiro.worker.handling.steps.validation import RejectInvalid
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker
from carteiro.worker.model_calls.deferred_request import DeferredRequest
from carteiro.worker.model_calls.fallback import FallbackChain, ModelTarget
from carteiro.worker.model_calls.service_tier import TierPolicy
from carteiro.worker.parsing import RequestRejected
from services.generate.task import task
from services.sentiment.task import task as sentiment
from tests.unit.worker.failing_model import DONE, FailingModel

CHAIN = FallbackChain([ModelTarget(FailingModel(name=name)) for name in ("openai:big", "openai:small")])
REJECT_INVALID = RejectInvalid(task, CHAIN)
PROMPT = Prompt(messages=[Message("user", "Why?")])
SENT_AT = datetime(2026, 1, 1, tzinfo=UTC)


class StreamingModel(FailingModel):
    async def stream(self, prompt, on_text):
        on_text(DONE.text)
        return DONE


async def complete(model):
    return await model.complete(PROMPT)


async def test_valid_request_goes_on_parsed_with_all_models(make_context, next_handler):
    await REJECT_INVALID(make_context(body=b'{"prompt": "Why?"}'), next_handler)
    context = next_handler.context
    assert context.request == GenerateRequest(prompt="Why?")
    assert context.fallback_run.chain.model_names == ["openai:big", "openai:small"]
    assert context.deadline is None


async def test_invalid_request_is_rejected_with_its_field(make_context, next_handler):
    with pytest.raises(RequestRejected) as caught:
        await REJECT_INVALID(make_context(body=b'{"prompt": ""}'), next_handler)
    assert [each.field for each in caught.value.error.fields] == ["prompt"]
    assert next_handler.calls == 0


async def test_tier_that_the_operator_does_not_allow_is_rejected(make_context, next_handler):
    body = b'{"prompt": "Why?", "options": {"service_tier": "priority"}}'
    with pytest.raises(RequestRejected, match="service_tier: is not served here: CARTEIRO_SERVICE_TIERS"):
        await REJECT_INVALID(make_context(body=body), next_handler)
    allowed = FallbackChain(CHAIN.targets, TierPolicy(allowed=frozenset({"priority"})))
    await RejectInvalid(task, allowed)(make_context(body=body), next_handler)
    assert next_handler.calls == 1


async def test_stop_is_rejected_by_a_task_that_writes_no_text(make_context, next_handler):
    body = b'{"text": "Good.", "options": {"stop": ["."]}}'
    with pytest.raises(RequestRejected, match="stop: is no option of sentiment"):
        await RejectInvalid(sentiment, CHAIN)(make_context(body=body), next_handler)
    assert next_handler.calls == 0


async def test_request_whose_reply_cannot_be_sent_is_rejected(make_context, next_handler):
    problem = FieldError(field="header reply_to", reason="is not allowed")
    with pytest.raises(RequestRejected) as caught:
        await REJECT_INVALID(make_context(body=b'{"prompt": "Why?"}', address_problem=problem), next_handler)
    assert caught.value.error.fields == [problem]
    assert next_handler.calls == 0


async def test_only_the_wanted_model_is_called(make_context, next_handler):
    await REJECT_INVALID(make_context(body=b'{"prompt": "Why?", "options": {"model": "small"}}'), next_handler)
    context = next_handler.context
    assert context.fallback_run.chain.model_names == ["openai:small"]


async def test_unknown_model_is_rejected_with_the_names_of_the_known(make_context, next_handler):
    with pytest.raises(RequestRejected, match="openai:big or openai:small") as caught:
        await REJECT_INVALID(make_context(body=b'{"prompt": "Why?", "options": {"model": "huge"}}'), next_handler)
    assert [each.field for each in caught.value.error.fields] == ["options.model"]
    assert next_handler.calls == 0


@pytest.mark.parametrize(
    ("wait", "header_hours", "expected_hours"), [("2h", None, 2), ("2h", 3, 2), ("2h", 1, 1), (None, 3, 3)]
)
async def test_earlier_of_wait_and_header_is_the_deadline(
    make_context, next_handler, wait, header_hours, expected_hours
):
    request = GenerateRequest.model_validate({"prompt": "Why?", "options": {"wait": wait}})
    context = make_context(body=request.to_json(), sent_at=SENT_AT)
    header = None if header_hours is None else SENT_AT + timedelta(hours=header_hours)
    context.envelope = replace(context.envelope, deadline=header)
    await REJECT_INVALID(context, next_handler)
    assert next_handler.context.deadline == SENT_AT + timedelta(hours=expected_hours)


async def test_batch_gets_the_meter_the_deadline_and_the_position_of_the_request(make_context, next_handler):
    received = []

    def batched(model, meter, deadline, deferred):
        received.append((meter, deadline, deferred))
        return model

    model, deferred = FailingModel(), DeferredRequest(17, None)
    chain = FallbackChain([ModelTarget(model, CircuitBreaker(model, lambda: None), batched)])
    context = make_context(body=b'{"prompt": "Why?", "options": {"wait": "2h"}}', sent_at=SENT_AT, deferred=deferred)
    await RejectInvalid(task, chain)(context, next_handler)
    await next_handler.context.fallback_run.run(complete)
    assert received == [(context.meter, SENT_AT + timedelta(hours=2), deferred)]


@pytest.mark.parametrize(("task_streams", "wanted"), [(True, True), (True, False), (False, True)])
async def test_text_is_streamed_only_if_task_and_request_allow_it(make_context, next_handler, task_streams, wanted):
    class GenerateSomehow(GenerateRequest):
        streams: ClassVar = task_streams

    step = RejectInvalid(replace(task, request=GenerateSomehow), FallbackChain([ModelTarget(StreamingModel())]))
    request = GenerateRequest.model_validate({"prompt": "Why?", "options": {"stream": wanted}})
    context = make_context(body=request.to_json())
    async with context.stream:
        await step(context, next_handler)
        await next_handler.context.fallback_run.run(complete)
        is_streamed = context.stream.next_seq is not None
    assert is_streamed == (task_streams and wanted)
