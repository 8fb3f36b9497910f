"""A model's thinking is shown to a caller who asks for it, if the service allows it."""

from datetime import UTC, datetime

import pytest

from carteiro.models.results import Completion
from carteiro.schemas import OkReply, Usage
from carteiro.tasks.task import Task
from carteiro.wire.envelope import Envelope
from carteiro.worker.handling.idempotency import IdempotencyStore
from carteiro.worker.handling.pipeline import Pipeline
from carteiro.worker.handling.reply_cache import ReplyCache
from carteiro.worker.model_calls.fallback import FallbackChain, ModelTarget
from carteiro.worker.reply_stream import ReplyStream
from services.chat.task import task as chat
from services.generate.task import task as generate
from services.translate.task import task as translate
from tests.unit.worker.failing_model import FailingModel, usage_meter

BODIES = {
    "chat": b'{"messages": [{"role": "user", "content": "x"}], "options": {%s}}',
    "generate": b'{"prompt": "x", "options": {%s}}',
    "translate": b'{"text": "x", "target": "pt", "options": {%s}}',
}


class ThinkingModel(FailingModel):
    async def complete(self, prompt):
        return Completion("yes", "stop", Usage(output_tokens=9, reasoning_tokens=8), "Hm.")


async def answer(task: Task, options: bytes, *, shows: bool) -> OkReply:
    answerer = Pipeline(
        task, FallbackChain([ModelTarget(ThinkingModel())]), IdempotencyStore(60), ReplyCache(60), shows_reasoning=shows
    )
    body = BODIES[task.name] % options
    envelope = Envelope("t/0/1", "t/0/1", (), None, body, datetime.now(UTC))

    async def send(piece):
        raise AssertionError

    answered = await answerer.run(envelope, ("t", 0), None, usage_meter(), ReplyStream(task.name, "t/0/1", send))
    assert isinstance(answered.reply, OkReply)
    return answered.reply


@pytest.mark.parametrize("task", [chat, generate], ids=lambda task: task.name)
@pytest.mark.parametrize("shows", [True, False])
@pytest.mark.parametrize("options", [b'"reasoning": true', b'"reasoning": false', b""])
async def test_thinking_needs_the_callers_option_and_the_services_permission(task, shows, options):
    reply = await answer(task, options, shows=shows)
    assert reply.result.reasoning == ("Hm." if shows and b"true" in options else None)
    assert reply.usage.reasoning_tokens == 8


async def test_other_tasks_show_no_thinking():
    reply = await answer(translate, b'"reasoning": true', shows=True)
    assert "Hm." not in reply.model_dump_json()
