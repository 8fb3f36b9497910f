import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carteiro.enrichment.enricher import StepFailed
from carteiro.enrichment.enrichment_file import EnrichmentStep
from carteiro.schemas import ErrorDetail, ErrorReply
from carteiro.schemas.generate import GenerateResult
from carteiro.wire.envelope import Envelope
from carteiro.worker.enrichment.task_caller import TaskCaller
from carteiro.worker.handling.pipeline import AnyReply, HandlerResult
from tests.unit.wire.fake_record import FakeRecord
from tests.unit.worker.failing_model import usage_meter
from tests.unit.worker.handling.outcomes import OK

FAILED = ErrorReply(
    task="generate", request_id="r", error=ErrorDetail(code="over_budget", message="it costs too much", retryable=False)
)


class FakePipeline:
    """Pipeline that keeps its calls and gives one reply to all of them."""

    def __init__(self, reply: AnyReply = OK) -> None:
        self.reply, self.calls = reply, list[tuple[Any, ...]]()

    async def run(self, *args: Any) -> HandlerResult:
        self.calls.append(args)
        return HandlerResult(self.reply)

    @property
    def envelope(self) -> Envelope:
        ((envelope, *_),) = self.calls
        assert isinstance(envelope, Envelope)
        return envelope


def make_step(**fields: object) -> EnrichmentStep:
    return EnrichmentStep.model_validate({"task": "generate", "request": "@", "into": "ai.answer"} | fields)


async def call(pipeline: Any, request: Any, step: EnrichmentStep | None = None, **fields: Any) -> dict[str, Any]:
    step = step or make_step()
    fields = {"record": FakeRecord(key=b"k"), "meter": usage_meter()} | fields
    return await TaskCaller({step.chain_name: pipeline}, **fields)(step, request)


async def test_result_is_the_json_of_the_reply() -> None:
    result = await call(FakePipeline(), {"prompt": "Why?"})
    assert result == GenerateResult(text="Because.").model_dump(mode="json")


async def test_request_has_the_options_of_its_step_and_the_place_of_its_event() -> None:
    pipeline, deadline, deferred, meter = FakePipeline(), datetime.now(UTC), object(), usage_meter()
    step = make_step(options={"max_output_tokens": 7})
    await call(pipeline, {"prompt": "é"}, step, deadline=deadline, deferred=deferred, meter=meter)
    envelope = pipeline.envelope
    assert json.loads(envelope.body) == {"prompt": "é", "options": {"max_output_tokens": 7}}
    assert (envelope.size, envelope.deadline, envelope.key) == (len(envelope.body), deadline, b"k")
    assert envelope.request_id == "llm.summarize.requests/2/17/ai.answer"
    assert envelope.correlation_id == "llm.summarize.requests/2/17"
    ((_, topic_partition, problem, used_meter, _, used_position, _),) = pipeline.calls
    assert (topic_partition, problem, used_meter) == (("llm.summarize.requests", 2), None, meter)
    assert used_position is deferred


async def test_options_of_the_expression_stay_if_the_step_has_none() -> None:
    pipeline = FakePipeline()
    await call(pipeline, {"prompt": "Why?", "options": {"seed": 1}})
    assert json.loads(pipeline.envelope.body)["options"] == {"seed": 1}


async def test_step_with_a_model_of_its_own_has_a_chain_of_its_own() -> None:
    own, step = FakePipeline(), make_step(model="openai:x")
    caller = TaskCaller({"generate": FakePipeline(), "generate openai:x": own}, FakeRecord(), usage_meter())  # type: ignore[dict-item]
    await caller(step, {"prompt": "Why?"})
    assert own.calls


async def test_error_reply_is_the_failure_of_the_step() -> None:
    with pytest.raises(StepFailed, match="it costs too much") as failed:
        await call(FakePipeline(FAILED), {"prompt": "Why?"})
    assert failed.value.code == "over_budget"


@pytest.mark.parametrize(
    ("request_value", "message"),
    [
        (None, "gives null"),
        ("text", "gives no object"),
        ([], "gives no object"),
        ({"prompt": float("nan")}, "has no JSON text"),
        ({"prompt": float("inf")}, "has no JSON text"),
        ({"prompt": object()}, "has no JSON text"),
    ],
)
async def test_value_that_is_no_request_costs_no_call(request_value: Any, message: str) -> None:
    pipeline = FakePipeline()
    with pytest.raises(StepFailed, match=message) as failed:
        await call(pipeline, request_value)
    assert failed.value.code == "invalid_request"
    assert not pipeline.calls


async def test_event_s_timestamp_is_the_time_at_which_it_was_sent() -> None:
    pipeline = FakePipeline()
    await call(pipeline, {}, record=FakeRecord(timestamp=1_767_225_600_000))
    assert pipeline.envelope.sent_at == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("timestamp", [-1, 0, 1_767_225_600_000_000, 1_767_225_600_000_000_000, 2**63 - 1])
async def test_timestamp_that_is_no_time_does_not_fail_the_step(timestamp: int) -> None:
    pipeline, before = FakePipeline(), datetime.now(UTC)
    await call(pipeline, {}, record=FakeRecord(timestamp=timestamp))
    assert before <= pipeline.envelope.sent_at <= before + timedelta(minutes=5)
