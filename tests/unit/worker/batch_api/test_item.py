import asyncio

import pytest

from carteiro.models.cloud.batch_api.interface import BatchItemResult
from carteiro.models.prompt import Message, Prompt
from carteiro.worker.batch_api.item import BatchItem, item_id, offset_of


def make_item() -> BatchItem:
    prompt = Prompt(messages=[Message("user", "a")])
    return BatchItem("1-0-0", "openai:a", prompt, 60.0, 10, asyncio.get_running_loop().create_future())


def test_item_id_names_its_request_its_prompt_and_its_attempt() -> None:
    first = item_id(17, {"model": "m", "n": 1}, 0)
    assert first == item_id(17, {"n": 1, "model": "m"}, 0)
    assert offset_of(first) == 17
    others = [item_id(18, {"model": "m", "n": 1}, 0), item_id(17, {"model": "m", "n": 2}, 0), first[:-1] + "1"]
    assert len({first, *others}) == 4
    assert len(first) <= 64


async def test_item_is_awaited_while_calls_wait_for_its_result() -> None:
    item, result = make_item(), BatchItemResult("1-0-0", answer="A")
    assert not item.is_awaited
    calls = [asyncio.create_task(item.wait(60)) for _ in range(2)]
    await asyncio.sleep(0)
    assert item.is_awaited
    item.resolve(result)
    item.resolve(BatchItemResult("1-0-0", answer="another"))
    assert not item.is_awaited
    assert await asyncio.gather(*calls) == [result, result]
    assert item.waiters == 0


async def test_call_without_time_left_stops_waiting_and_leaves_the_result_to_others() -> None:
    item = make_item()
    with pytest.raises(TimeoutError):
        await item.wait(0)
    assert item.waiters == 0
    assert not item.result.done()


async def test_closed_batcher_ends_the_wait_without_a_result() -> None:
    item = make_item()
    call = asyncio.create_task(item.wait(60))
    await asyncio.sleep(0)
    item.result.cancel()
    assert await call is None


async def test_cancelled_call_is_cancelled_and_leaves_the_result_to_others() -> None:
    item = make_item()
    call = asyncio.create_task(item.wait(60))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert item.waiters == 0
    assert not item.result.done()
