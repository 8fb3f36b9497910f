"""What is finished, until it is confirmed."""

import asyncio
from unittest.mock import Mock

import pytest

from carteiro.worker.delivery import outbox as module
from carteiro.worker.delivery.courier import Undelivered
from carteiro.worker.delivery.outbox import Outbox


def filled(*offsets: int) -> Outbox:
    outbox = Outbox()
    for offset in offsets:
        outbox.put(offset, Mock())
    return outbox


async def sent(outbox: Outbox, most: int = 1000) -> list[list[int]]:
    return [list(outcomes) for outcomes in await outbox.next(most)]


async def nothing_to_send(outbox: Outbox) -> bool:
    asking = asyncio.ensure_future(outbox.next(1))
    await asyncio.sleep(0)
    return asking.cancel()


def test_an_outcome_knows_that_it_is_handed_over():
    Outbox().put(1, outcome := Mock())
    outcome.handed_over.assert_called_once_with()


async def test_no_more_go_together_than_is_said():
    assert await sent(filled(*range(7)), 3) == [[0, 1, 2], [3, 4, 5], [6]]


async def test_what_is_handed_out_is_unconfirmed_until_it_is_confirmed():
    outbox = filled(1, 2)
    await sent(outbox)
    assert await nothing_to_send(outbox)
    assert len(outbox) == 2
    assert outbox.confirm(1)
    assert not outbox.confirm(1)
    assert outbox.offsets == [2]


async def test_a_new_courier_is_given_all_that_is_not_confirmed():
    outbox = filled(1, 2, 3)
    await sent(outbox)
    outbox.confirm(2)
    outbox.send_again()
    assert await sent(outbox) == [[1, 3]]


async def test_a_late_one_goes_alone_and_is_replaced_after_a_while(monkeypatch: pytest.MonkeyPatch):
    outbox, record = filled(1, 2, 3), Mock()
    (outcomes,) = await outbox.next(1000)
    error = Undelivered([(2, record)])
    outbox.late(outcomes, error)
    outbox.send_again()
    assert await sent(outbox) == [[1, 3], [2]]
    outcomes[2].refused.assert_not_called()
    monkeypatch.setattr(module, "CALLER_SECONDS", -1.0)
    outbox.late(outcomes, error)
    outcomes[2].refused.assert_called_once_with(record, error)


async def test_who_waits_for_one_is_told():
    outbox = Outbox()
    waiting = asyncio.create_task(outbox.put_and_wait(5, Mock()))
    assert await sent(outbox) == [[5]]
    assert not waiting.done()
    outbox.confirm(5)
    await waiting


async def test_what_another_owner_has_finished_is_dropped():
    outbox = filled(1, 2)
    (outcomes,) = await outbox.next(1000)
    outbox.drop(lambda offset: offset == 1)
    outcomes[1].delivered.assert_called_once_with()
    assert outbox.offsets == [2]


async def test_once_closed_it_takes_nothing():
    outbox = filled(1)
    outbox.close()
    outbox.put(2, too_late := Mock())
    assert not outbox
    too_late.handed_over.assert_not_called()
    outbox.send_again()
    assert await sent(outbox) == []


async def test_it_is_stuck_while_nothing_is_confirmed(monkeypatch: pytest.MonkeyPatch):
    assert not Outbox().stuck
    outbox = filled(1)
    assert not outbox.stuck
    monkeypatch.setattr(module, "_PROMPT_SECONDS", -1.0)
    assert outbox.stuck
    assert not Outbox().stuck
