import asyncio

from carteiro.models.cloud.batch_api.interface import BatchItemResult
from carteiro.models.prompt import Message, Prompt
from carteiro.worker.batch_api.item import BatchItem
from carteiro.worker.batch_api.job_items import JobItems


def make_item(offset: int, *, deadline: float = 60.0, waiters: int = 1) -> BatchItem:
    prompt, result = Prompt(messages=[Message("user", "a")]), asyncio.get_running_loop().create_future()
    return BatchItem(f"{offset}-0-0", "openai:a", prompt, deadline, 10, result, waiters)


async def test_result_goes_to_its_item_once() -> None:
    first, second = make_item(1), make_item(2)
    items = JobItems(["1-0-0", "2-0-0"], lambda _: False, [first, second])
    items.resolve(BatchItemResult("1-0-0", answer="A"))
    items.resolve(BatchItemResult("1-0-0", answer="B"))
    items.resolve(BatchItemResult("9-0-0", answer="C"))
    assert first.result.result().answer == "A"
    assert items.awaited == [second]


async def test_item_that_is_attached_twice_is_one_item() -> None:
    items, first, again = JobItems(["1-0-0"], lambda _: False), make_item(1), make_item(1)
    assert items.attach(first) is first
    assert items.attach(again) is first
    assert items.awaited == [first]


async def test_items_without_waiters_or_with_a_result_are_not_awaited() -> None:
    unwanted, answered, awaited = make_item(1, waiters=0), make_item(2), make_item(3)
    answered.resolve(BatchItemResult("2-0-0"))
    items = JobItems(["1-0-0", "2-0-0", "3-0-0"], lambda _: False, [unwanted, answered])
    assert not items.any_awaited
    items.attach(awaited)
    assert items.any_awaited
    assert items.awaited == [awaited]


async def test_batch_is_finished_once_all_its_requests_are() -> None:
    finished = {1}
    items = JobItems(["1-0-0", "2-0-0"], finished.__contains__)
    assert not items.all_finished
    items.set_ids(["1-0-0"])
    assert items.all_finished
    items.set_ids(["1-0-0", "2-0-0"])
    finished.add(2)
    assert items.all_finished


async def test_only_awaited_items_are_overdue() -> None:
    items = JobItems(
        ["1-0-0", "2-0-0", "3-0-0"],
        lambda _: False,
        [make_item(1, deadline=10.0), make_item(2, deadline=20.0), make_item(3, deadline=10.0, waiters=0)],
    )
    assert [items.count_overdue(deadline) for deadline in (9.0, 10.0, 20.0)] == [0, 1, 2]
