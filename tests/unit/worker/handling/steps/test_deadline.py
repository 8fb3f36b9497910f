"""The step that ends requests at their deadline."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from carteiro.schemas.generate import GenerateRequest
from carteiro.worker.handling.steps.deadline import within_deadline
from carteiro.worker.parsing import RequestRejected

REQUEST = GenerateRequest(prompt="Why?")


def after(**duration):
    return datetime.now(UTC) + timedelta(**duration)


async def test_expired_request_costs_no_call(make_context, next_handler):
    context = make_context(REQUEST, deadline=after(hours=-1), has_producer_time=True)
    with pytest.raises(RequestRejected, match="no model was called; .* producer's clock") as caught:
        await within_deadline(context, next_handler)
    assert caught.value.error.code == "expired"
    assert context.deadline.isoformat() in caught.value.error.message
    assert next_handler.calls == 0


async def test_work_is_cancelled_at_the_deadline(make_context):
    cancelled = asyncio.Event()

    async def hang(context):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(RequestRejected, match="while the model was at work$") as caught:
        await within_deadline(make_context(REQUEST, deadline=after(seconds=0.2)), hang)
    assert caught.value.error.code == "expired"
    assert cancelled.is_set()


@pytest.mark.parametrize("deadline", [None, after(days=1)], ids=["no deadline", "far deadline"])
async def test_request_in_time_gets_its_reply(make_context, next_handler, deadline):
    reply = await within_deadline(make_context(REQUEST, deadline=deadline), next_handler)
    assert reply.result.text == "text 1"


async def test_timeout_of_the_work_itself_is_not_an_expired_deadline(make_context, next_handler):
    next_handler.failure = TimeoutError("the connection timed out")
    with pytest.raises(TimeoutError, match="the connection timed out"):
        await within_deadline(make_context(REQUEST, deadline=after(hours=1)), next_handler)
