"""Answers that are given twice."""

import asyncio

import pytest

from carteiro.worker.remembering.repeats import KeyReused, Repeats

PLACE = ("llm.chat.requests", 0, b"key")


class Answer(str):
    def model_dump_json(self):
        return f'"{self}"'


class Counted:
    """A model that counts its calls, and is as slow as it is told to be."""

    def __init__(self):
        self.calls, self.go = 0, asyncio.Event()
        self.failure = None

    async def __call__(self):
        self.calls += 1
        await self.go.wait()
        if self.failure:
            raise self.failure
        return Answer(f"answer {self.calls}")


@pytest.fixture
def model():
    return Counted()


async def test_a_repeated_request_gets_the_first_answer(model):
    repeats = Repeats(60)
    model.go.set()
    assert await repeats.once(PLACE, b"x", model) == ("answer 1", False)
    assert await repeats.once(PLACE, b"x", model) == ("answer 1", True)
    assert model.calls == 1


async def test_requests_that_come_while_the_first_is_served_wait_for_it(model):
    repeats = Repeats(60)
    several = [asyncio.create_task(repeats.once(PLACE, b"x", model)) for _ in range(5)]
    await asyncio.sleep(0)
    model.go.set()
    assert [answer for answer, _ in await asyncio.gather(*several)] == ["answer 1"] * 5
    assert model.calls == 1


async def test_other_keys_and_other_partitions_are_other_requests(model):
    repeats = Repeats(60)
    model.go.set()
    for place in (PLACE, ("llm.chat.requests", 0, b"other"), ("llm.chat.requests", 1, b"key")):
        assert not (await repeats.once(place, b"x", model))[1]


async def test_a_key_that_comes_with_another_request_is_turned_down(model):
    repeats = Repeats(60)
    model.go.set()
    await repeats.once(PLACE, b"x", model)
    with pytest.raises(KeyReused):
        await repeats.once(PLACE, b"y", model)


async def test_after_its_time_an_answer_is_forgotten(model):
    repeats = Repeats(0)
    model.go.set()
    await repeats.once(PLACE, b"x", model)
    assert not (await repeats.once(PLACE, b"x", model))[1]


async def test_a_failure_is_not_remembered_and_those_who_waited_try_themselves(model):
    repeats = Repeats(60)
    first = asyncio.create_task(repeats.once(PLACE, b"x", model))
    await asyncio.sleep(0)
    second = asyncio.create_task(repeats.once(PLACE, b"x", model))
    await asyncio.sleep(0)
    model.failure = RuntimeError("no")
    model.go.set()
    with pytest.raises(RuntimeError):
        await first
    model.failure = None
    assert await second == ("answer 2", False)


async def test_one_who_waits_can_be_cancelled_without_harm_to_the_first(model):
    repeats = Repeats(60)
    first = asyncio.create_task(repeats.once(PLACE, b"x", model))
    await asyncio.sleep(0)
    second = asyncio.create_task(repeats.once(PLACE, b"x", model))
    await asyncio.sleep(0)
    second.cancel()
    model.go.set()
    assert await first == ("answer 1", False)


async def test_those_who_are_cancelled_together_call_nobody(model):
    repeats = Repeats(60)
    both = [asyncio.create_task(repeats.once(PLACE, b"x", model)) for _ in range(2)]
    await asyncio.sleep(0)
    for each in both:
        each.cancel()
    await asyncio.wait(both)
    assert model.calls == 1
