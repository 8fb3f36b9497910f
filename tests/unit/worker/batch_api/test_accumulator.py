import asyncio

import pytest

from carteiro.models.prompt import EmbeddingPrompt, Message, Prompt
from carteiro.worker.batch_api.accumulator import BatchAccumulator, BatchSettings
from carteiro.worker.batch_api.item import BatchItem

HOUR = 3600.0
SETTINGS = BatchSettings(safety_margin=1800, linger=600, poll_interval=60, max_items=3)


def make_item(name: str, *, deadline: float = 24 * HOUR, model: str = "openai:a", size: int = 10) -> BatchItem:
    result: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    prompt = Prompt(messages=[Message("user", name)])
    return BatchItem(name, model, prompt, deadline, size, result, waiters=1)  # type: ignore[arg-type]


def item_ids(batches: list[list[BatchItem]]) -> list[list[str]]:
    return [[line.id for line in batch] for batch in batches]


def make_accumulator() -> BatchAccumulator:
    return BatchAccumulator(SETTINGS, lambda model: 100)


async def test_batch_is_ready_once_its_first_item_has_waited_for_the_linger_time() -> None:
    gathering = make_accumulator()
    assert gathering.next_ready_at() is None
    gathering.add(make_item("a"), 0.0)
    gathering.add(make_item("b"), 599.0)
    assert gathering.next_ready_at() == 600.0
    assert gathering.ready(599.0) == []
    assert item_ids(gathering.ready(600.0)) == [["a", "b"]]
    assert gathering.ready(10_000.0) == []


async def test_batch_has_no_more_texts_than_a_provider_embeds_at_once() -> None:
    gathering = make_accumulator()
    for name in "ab":
        item = make_item(name)
        item.prompt = EmbeddingPrompt(texts=["x"] * 30_000)
        gathering.add(item, 0.0)
    assert item_ids(gathering.ready(0.0)) == [["a"]]


async def test_full_batch_is_ready_at_once() -> None:
    gathering = make_accumulator()
    for name in "abcd":
        gathering.add(make_item(name), 0.0)
    assert gathering.next_ready_at() == 0.0
    assert item_ids(gathering.ready(0.0)) == [["a", "b", "c"]]
    assert item_ids(gathering.ready(600.0)) == [["d"]]


async def test_batch_stays_within_the_providers_limits() -> None:
    gathering = make_accumulator()
    for name, size in (("a", 60), ("b", 40), ("c", 1)):
        gathering.add(make_item(name, size=size), 0.0)
    assert item_ids(gathering.ready(0.0)) == [["a", "b"]]
    assert item_ids(gathering.ready(600.0)) == [["c"]]


async def test_models_and_deadlines_are_not_mixed() -> None:
    gathering = make_accumulator()
    gathering.add(make_item("a"), 0.0)
    gathering.add(make_item("b", model="openai:b"), 0.0)
    gathering.add(make_item("c", deadline=1 * HOUR), 0.0)
    gathering.add(make_item("d", deadline=25 * HOUR), 0.0)
    assert sorted(item_ids(gathering.ready(600.0))) == [["a", "d"], ["b"], ["c"]]


async def test_items_without_waiters_are_left_out() -> None:
    gathering = make_accumulator()
    gone = make_item("a")
    gone.waiters = 0
    gathering.add(gone, 0.0)
    assert gathering.ready(600.0) == []


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 1.0])
async def test_near_deadline_is_not_an_error(seconds: float) -> None:
    gathering = make_accumulator()
    gathering.add(make_item("a", deadline=seconds), 0.0)
    assert item_ids(gathering.ready(600.0)) == [["a"]]
