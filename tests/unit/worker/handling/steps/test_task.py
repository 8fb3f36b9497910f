"""The step that runs the task."""

from dataclasses import replace

import pytest

from carteiro.models.errors import InvalidOutput
from carteiro.models.prices import Price, PriceTable
from carteiro.models.results import Completion
from carteiro.schemas import Usage
from carteiro.schemas.chat import ChatAnswer, ChatRequest
from carteiro.schemas.generate import GenerateRequest
from carteiro.tasks.discovery import find_tasks
from carteiro.worker.handling.steps.task import RunTask
from carteiro.worker.model_calls.budget import BudgetLimits, CostBudget
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker
from carteiro.worker.model_calls.deferred_request import DeferredRequest
from carteiro.worker.model_calls.fallback import FallbackChain, ModelTarget
from carteiro.worker.observability.metrics import REGISTRY
from tests.unit.worker.failing_model import FailingModel, usage_meter

TASKS = {task.name: task for task in find_tasks()}
BUDGET = CostBudget(PriceTable({"openai:paid": Price(input=1e6, output=1e6)}), BudgetLimits())
USED = Usage(input_tokens=40, output_tokens=7)


class AnsweringModel(FailingModel):
    """Model that answers each prompt by the same completion."""

    def __init__(self, text="yes", *failures, finish_reason="stop", name="openai:paid"):
        super().__init__(*failures, name=name)
        self.completion = Completion(text, finish_reason, USED, "Hm.")

    async def complete(self, prompt):
        self.prompts.append(prompt)
        if self.failures:
            raise self.failures.pop(0)
        return self.completion


@pytest.fixture
def run_task(make_context):
    """Return a function that answers a request by the model of a target."""

    async def run(target, *, shows_reasoning=False, **options):
        chain = FallbackChain([target])
        request = GenerateRequest.model_validate({"prompt": "Why?", "options": options})
        deferred = DeferredRequest(0, None) if target.batch_wrapper else None
        context = make_context(request, chain=chain, meter=usage_meter(budget=BUDGET), deferred=deferred)
        return await RunTask(TASKS["generate"], chain, shows_reasoning)(context)

    return run


async def test_reply_has_the_output_and_the_name_of_the_model_that_answered(make_context):
    first = AnsweringModel("", InvalidOutput("no"), name="openai:first")
    second = AnsweringModel("because", finish_reason="length", name="openai:second")
    chain = FallbackChain([ModelTarget(first), ModelTarget(second)])
    reply = await RunTask(TASKS["generate"], chain, False)(
        make_context(GenerateRequest(prompt="Why?"), chain=chain, offset=17)
    )
    assert (reply.task, reply.request_id, reply.model) == ("generate", "t/0/17", "openai:second")
    assert (reply.result.text, reply.finish_reason) == ("because", "length")


@pytest.mark.parametrize("has_breaker", [True, False])
async def test_usage_of_a_call_is_counted_once(run_task, has_breaker):
    model = AnsweringModel()
    reply = await run_task(ModelTarget(model, CircuitBreaker(model, lambda: None) if has_breaker else None))
    assert reply.usage == USED.model_copy(update={"cost_usd": 47})


@pytest.mark.parametrize(("shows", "wanted"), [(True, True), (True, False), (False, True)])
async def test_reasoning_is_shown_only_if_service_and_request_allow_it(run_task, shows, wanted):
    reply = await run_task(ModelTarget(AnsweringModel()), shows_reasoning=shows, reasoning=wanted)
    assert reply.result.reasoning == ("Hm." if shows and wanted else None)


async def test_text_that_json_cannot_carry_is_invalid_output(run_task):
    with pytest.raises(InvalidOutput, match="UTF-8"):
        await run_task(ModelTarget(AnsweringModel("\ud800")))


async def test_usage_of_an_unusable_completion_is_counted(make_context):
    chain = FallbackChain([ModelTarget(AnsweringModel("\ud800"))])
    context = make_context(GenerateRequest(prompt="Why?"), chain=chain, meter=usage_meter(budget=BUDGET))
    with pytest.raises(InvalidOutput):
        await RunTask(TASKS["generate"], chain, False)(context)
    assert context.meter.usage.output_tokens == USED.output_tokens


@pytest.mark.parametrize("uses_batches", [True, False])
async def test_duration_of_the_work_is_measured_only_without_batches(run_task, uses_batches):
    def count():
        labels = {"task": "generate", "model": "openai:paid"}
        return REGISTRY.get_sample_value("carteiro_work_seconds_count", labels) or 0

    before = count()
    target = ModelTarget(AnsweringModel())
    await run_task(replace(target, batch_wrapper=lambda model, *_: model) if uses_batches else target)
    assert count() - before == (not uses_batches)


async def test_model_gets_the_earlier_messages_of_the_conversation(make_context, conversations):
    model, task = AnsweringModel(), TASKS["chat"]
    chain = FallbackChain([ModelTarget(model)])
    for offset, text in enumerate(["one", "two"]):
        request = ChatRequest.model_validate(
            {"messages": [{"role": "user", "content": text}], "conversation_id": "guest-7"}
        )
        context = make_context(request, chain=chain, partition=3, offset=offset, key=b"guest-7")
        context.turn = await conversations.open_turn(request, context.envelope, 3, task.run)
        reply = await RunTask(task, chain, False)(context)
        context.turn.set_answer(ChatAnswer(content=reply.result.message.content))
        context.turn.on_acknowledged()
    assert [message.content for message in model.prompts[-1].messages] == ["one", "yes", "two"]
