"""Replies to repeated requests with an idempotency key."""

import asyncio

import pytest

from carteiro.worker.handling.idempotency import IdempotencyKeyConflict, IdempotencyStore, idempotency_scope

SCOPE = ("llm.chat.requests", 0, b"key")


class FakeOkReply(str):
    def model_dump_json(self):
        return f'"{self}"'


class CountingModel:
    """Model that counts its calls and takes as long as the test tells it."""

    def __init__(self):
        self.calls, self.go = 0, asyncio.Event()
        self.failure = None

    async def __call__(self):
        self.calls += 1
        await self.go.wait()
        if self.failure:
            raise self.failure
        return FakeOkReply(f"answer {self.calls}")


@pytest.fixture
def model():
    return CountingModel()


async def test_repeated_request_gets_the_first_reply(model):
    store = IdempotencyStore(60)
    model.go.set()
    assert await store.run_once(SCOPE, b"x", model) == ("answer 1", False)
    assert await store.run_once(SCOPE, b"x", model) == ("answer 1", True)
    assert model.calls == 1


async def test_concurrent_repetitions_wait_for_the_first(model):
    store = IdempotencyStore(60)
    several = [asyncio.create_task(store.run_once(SCOPE, b"x", model)) for _ in range(5)]
    await asyncio.sleep(0)
    model.go.set()
    assert [answer for answer, _ in await asyncio.gather(*several)] == ["answer 1"] * 5
    assert model.calls == 1


async def test_other_keys_and_other_partitions_are_other_requests(model):
    store = IdempotencyStore(60)
    model.go.set()
    for scope in (SCOPE, ("llm.chat.requests", 0, b"other"), ("llm.chat.requests", 1, b"key")):
        assert not (await store.run_once(scope, b"x", model))[1]


async def test_key_with_another_request_is_rejected(model):
    store = IdempotencyStore(60)
    model.go.set()
    await store.run_once(SCOPE, b"x", model)
    with pytest.raises(IdempotencyKeyConflict):
        await store.run_once(SCOPE, b"y", model)


async def test_key_of_a_request_in_flight_is_rejected_at_once_for_another_request(model):
    store = IdempotencyStore(60)
    first = asyncio.create_task(store.run_once(SCOPE, b"x", model))
    await asyncio.sleep(0)
    with pytest.raises(IdempotencyKeyConflict):
        await store.run_once(SCOPE, b"y", model)
    model.go.set()
    assert await first == ("answer 1", False)


async def test_key_of_a_failed_request_is_free_for_another_request(model):
    store = IdempotencyStore(60)
    model.failure = RuntimeError("no")
    model.go.set()
    with pytest.raises(RuntimeError):
        await store.run_once(SCOPE, b"x", model)
    model.failure = None
    assert await store.run_once(SCOPE, b"y", model) == ("answer 2", False)


async def test_expired_reply_is_forgotten(model):
    store = IdempotencyStore(0)
    model.go.set()
    await store.run_once(SCOPE, b"x", model)
    assert not (await store.run_once(SCOPE, b"x", model))[1]


async def test_failure_is_not_remembered_and_waiting_repetitions_try_again(model):
    store = IdempotencyStore(60)
    first = asyncio.create_task(store.run_once(SCOPE, b"x", model))
    await asyncio.sleep(0)
    second = asyncio.create_task(store.run_once(SCOPE, b"x", model))
    await asyncio.sleep(0)
    model.failure = RuntimeError("no")
    model.go.set()
    with pytest.raises(RuntimeError):
        await first
    model.failure = None
    assert await second == ("answer 2", False)


async def test_cancelled_repetition_does_not_harm_the_first(model):
    store = IdempotencyStore(60)
    first = asyncio.create_task(store.run_once(SCOPE, b"x", model))
    await asyncio.sleep(0)
    second = asyncio.create_task(store.run_once(SCOPE, b"x", model))
    await asyncio.sleep(0)
    second.cancel()
    model.go.set()
    assert await first == ("answer 1", False)


async def test_repetitions_cancelled_together_cost_no_call(model):
    store = IdempotencyStore(60)
    both = [asyncio.create_task(store.run_once(SCOPE, b"x", model)) for _ in range(2)]
    await asyncio.sleep(0)
    for each in both:
        each.cancel()
    await asyncio.wait(both)
    assert model.calls == 1


def test_idempotency_key_is_scoped_to_its_record_key_topic_and_partition():
    scope = idempotency_scope("llm.chat.requests", 0, b"ana", b"1", b"{}")
    assert scope == idempotency_scope("llm.chat.requests", 0, b"ana", b"1", b"{another body}")
    others = [
        idempotency_scope("llm.chat.requests", 0, b"ben", b"1", b"{}"),
        idempotency_scope("llm.chat.requests", 0, None, b"1", b"{}"),
        idempotency_scope("llm.chat.requests", 1, b"ana", b"1", b"{}"),
        idempotency_scope("llm.generate.requests", 0, b"ana", b"1", b"{}"),
        idempotency_scope("llm.chat.requests", 0, b"an", b"a1", b"{}"),
    ]
    assert len({scope, *others}) == 1 + len(others)


def test_senders_without_a_record_key_cannot_block_each_other():
    assert idempotency_scope("t", 0, None, b"1", b"mine") != idempotency_scope("t", 0, None, b"1", b"yours")
    assert idempotency_scope("t", 0, None, b"1", b"mine") == idempotency_scope("t", 0, None, b"1", b"mine")


def test_scope_is_small_for_any_keys():
    assert len(idempotency_scope("t", 0, b"k" * 10**6, b"i" * 10**6, b"b" * 10**6)) == 32
