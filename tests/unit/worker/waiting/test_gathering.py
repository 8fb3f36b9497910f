import asyncio

import pytest

from carteiro.models.interface import Message, Prompt
from carteiro.worker.waiting.gathering import Gatherer, Line, Rules, line_id, offset_of

HOUR = 3600.0
RULES = Rules(margin=1800, gather=600, poll=60, most=3)


def line(name: str, *, until: float = 24 * HOUR, model: str = "openai:a", size: int = 10) -> Line:
    result: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    prompt = Prompt(messages=[Message("user", name)])
    return Line(name, model, prompt, until, size, result, askers=1)  # type: ignore[arg-type]


def names(batches: list[list[Line]]) -> list[list[str]]:
    return [[line.id for line in batch] for batch in batches]


def gatherer() -> Gatherer:
    return Gatherer(RULES, lambda model: 100)


async def test_a_batch_is_due_once_its_first_line_has_waited_long_enough() -> None:
    gathering = gatherer()
    assert gathering.next_at() is None
    gathering.add(line("a"), 0.0)
    gathering.add(line("b"), 599.0)
    assert gathering.next_at() == 600.0
    assert gathering.due(599.0) == []
    assert names(gathering.due(600.0)) == [["a", "b"]]
    assert gathering.due(10_000.0) == []


async def test_a_full_batch_is_due_at_once() -> None:
    gathering = gatherer()
    for name in "abcd":
        gathering.add(line(name), 0.0)
    assert gathering.next_at() == 0.0
    assert names(gathering.due(0.0)) == [["a", "b", "c"]]
    assert names(gathering.due(600.0)) == [["d"]]


async def test_a_batch_is_no_larger_than_its_provider_takes() -> None:
    gathering = gatherer()
    for name, size in (("a", 60), ("b", 40), ("c", 1)):
        gathering.add(line(name, size=size), 0.0)
    assert names(gathering.due(0.0)) == [["a", "b"]]
    assert names(gathering.due(600.0)) == [["c"]]


async def test_models_and_patience_are_not_mixed() -> None:
    gathering = gatherer()
    gathering.add(line("a"), 0.0)
    gathering.add(line("b", model="openai:b"), 0.0)
    gathering.add(line("c", until=1 * HOUR), 0.0)
    gathering.add(line("d", until=25 * HOUR), 0.0)
    assert sorted(names(gathering.due(600.0))) == [["a", "d"], ["b"], ["c"]]


async def test_lines_that_nobody_waits_for_are_left_out() -> None:
    gathering = gatherer()
    gone = line("a")
    gone.askers = 0
    gathering.add(gone, 0.0)
    assert gathering.due(600.0) == []


def test_a_line_names_its_request_its_prompt_and_its_sending() -> None:
    first = line_id(17, {"model": "m", "n": 1}, 0)
    assert first == line_id(17, {"n": 1, "model": "m"}, 0)
    assert offset_of(first) == 17
    others = [line_id(18, {"model": "m", "n": 1}, 0), line_id(17, {"model": "m", "n": 2}, 0), first[:-1] + "1"]
    assert len({first, *others}) == 4
    assert len(first) <= 64


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 1.0])
async def test_a_time_that_is_up_is_no_error(seconds: float) -> None:
    gathering = gatherer()
    gathering.add(line("a", until=seconds), 0.0)
    assert names(gathering.due(600.0)) == [["a"]]
