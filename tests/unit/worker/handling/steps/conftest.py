"""Fixtures for tests of single steps: the context of a request, and a handler after the step."""

from datetime import UTC, datetime

import pytest

from carteiro.schemas import OkReply, Usage
from carteiro.schemas.generate import GenerateResult
from carteiro.wire.envelope import Envelope
from carteiro.worker.conversations.store import ConversationStore
from carteiro.worker.handling.request_context import RequestContext
from carteiro.worker.model_calls.fallback import FallbackChain, FallbackRun, ModelTarget
from carteiro.worker.reply_stream import ReplyStream
from tests.unit.worker.conversations.test_store import FakeConversationTopic
from tests.unit.worker.failing_model import FailingModel, usage_meter


class NextHandler:
    """Handler after the step. It counts its calls, keeps the last context, and answers or raises `failure`."""

    def __init__(self):
        self.calls, self.context, self.failure = 0, None, None

    async def __call__(self, context):
        self.calls, self.context = self.calls + 1, context
        if self.failure:
            raise self.failure
        return OkReply[GenerateResult](
            task="generate",
            request_id=context.envelope.request_id,
            result=GenerateResult(text=f"text {self.calls}"),
            model="test:model",
            usage=Usage(input_tokens=2),
            timing=context.timing,
        )


@pytest.fixture
def next_handler():
    return NextHandler()


@pytest.fixture
def make_context():
    """Return a function that makes the context of a request. With `body` the request is not parsed yet."""

    def make(
        request=None,
        *,
        body=None,
        chain=None,
        meter=None,
        offset=0,
        partition=0,
        address_problem=None,
        deadline=None,
        deferred=None,
        **envelope,
    ):
        request_id = f"t/{partition}/{offset}"
        fields = {"key": None, "body": body or request.to_json(), "sent_at": datetime.now(UTC)} | envelope
        chain, meter = chain or FallbackChain([ModelTarget(FailingModel())]), meter or usage_meter()

        async def discard(chunk): ...

        return RequestContext(
            envelope=Envelope(request_id, request_id, (), **fields),
            topic_partition=("t", partition),
            address_problem=address_problem,
            meter=meter,
            stream=ReplyStream("generate", request_id, discard),
            fallback_run=FallbackRun(chain, meter, deferred=deferred),
            deferred=deferred,
            request=request,
            deadline=deadline,
        )

    return make


@pytest.fixture
async def conversations():
    """Store of conversations that serves partition 3."""
    store = ConversationStore(FakeConversationTopic(), 8000)
    await store.load(3)
    return store
