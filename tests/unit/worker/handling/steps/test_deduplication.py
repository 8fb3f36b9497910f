"""The step that answers a repeated request by the first reply."""

import pytest

from carteiro.schemas.generate import GenerateRequest
from carteiro.worker.handling.idempotency import IdempotencyKeyConflict, IdempotencyStore
from carteiro.worker.handling.steps.deduplication import Deduplicate
from carteiro.worker.observability.metrics import REGISTRY

REQUEST, OTHER_REQUEST = GenerateRequest(prompt="Why?"), GenerateRequest(prompt="When?")


@pytest.fixture
def deduplicate():
    return Deduplicate(IdempotencyStore(60))


@pytest.fixture
def make_context(make_context):
    """Return a function that makes the context of a request with a record key and an idempotency key."""

    def make(request=REQUEST, **fields):
        return make_context(request, **{"key": b"k", "idempotency_key": b"once"} | fields)

    return make


def repeated_replies():
    return REGISTRY.get_sample_value("carteiro_repeated_total", {"task": "generate"}) or 0


async def test_repetition_gets_the_first_reply_with_its_own_id_and_timing(make_context, next_handler, deduplicate):
    counted = repeated_replies()
    first = await deduplicate(make_context(offset=1), next_handler)
    repetition = make_context(offset=2)
    repetition.queue_seconds = 90.0
    second = await deduplicate(repetition, next_handler)
    assert next_handler.calls == 1
    assert (first.request_id, second.request_id) == ("t/0/1", "t/0/2")
    assert (second.result, second.usage) == (first.result, first.usage)
    assert second.timing.queue_ms == 90_000
    assert repeated_replies() == counted + 1


@pytest.mark.parametrize(
    "difference",
    [{"idempotency_key": None}, {"idempotency_key": b"twice"}, {"key": b"other"}, {"partition": 1}],
    ids=lambda difference: next(iter(difference)),
)
async def test_request_with_another_key_or_partition_is_served(make_context, next_handler, deduplicate, difference):
    for context in (make_context(), make_context(**difference), make_context()):
        await deduplicate(context, next_handler)
    assert next_handler.calls == 2


async def test_another_request_under_the_same_key_is_a_conflict(make_context, next_handler, deduplicate):
    await deduplicate(make_context(), next_handler)
    with pytest.raises(IdempotencyKeyConflict):
        await deduplicate(make_context(OTHER_REQUEST), next_handler)
    assert next_handler.calls == 1
