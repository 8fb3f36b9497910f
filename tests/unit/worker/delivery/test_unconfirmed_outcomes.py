"""Outcomes until they are confirmed."""

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest
from aiokafka.errors import UnknownTopicOrPartitionError

from carteiro.wire.record import OutgoingRecord
from carteiro.worker.delivery import unconfirmed_outcomes as module
from carteiro.worker.delivery.interface import CustomTopicsUnavailable
from carteiro.worker.delivery.unavailable_topics import MISSING_TOPIC_SECONDS
from carteiro.worker.delivery.unconfirmed_outcomes import UnconfirmedOutcomes


def unconfirmed_with(*offsets: int) -> UnconfirmedOutcomes:
    unconfirmed = UnconfirmedOutcomes()
    for offset in offsets:
        unconfirmed.put(offset, Mock(custom_record=None, can_wait=False))
    return unconfirmed


async def next_offsets(unconfirmed: UnconfirmedOutcomes, max_size: int = 1000) -> list[list[int]]:
    return [list(outcomes) for outcomes in await unconfirmed.next_groups(max_size)]


async def nothing_to_send(unconfirmed: UnconfirmedOutcomes) -> bool:
    pending = asyncio.ensure_future(unconfirmed.next_groups(1))
    await asyncio.sleep(0)
    return pending.cancel()


def test_put_calls_on_queued():
    UnconfirmedOutcomes().put(1, outcome := Mock(custom_record=None, can_wait=False))
    outcome.on_queued.assert_called_once_with()


async def test_group_has_at_most_the_given_size_and_the_rest_goes_with_later_outcomes():
    unconfirmed = unconfirmed_with(*range(4))
    assert await next_offsets(unconfirmed, 3) == [[0, 1, 2]]
    unconfirmed.put(4, Mock(custom_record=None, can_wait=False))
    assert await next_offsets(unconfirmed, 3) == [[3, 4]]
    assert await nothing_to_send(unconfirmed)


async def test_delivered_outcome_stays_until_it_is_confirmed():
    unconfirmed = unconfirmed_with(1, 2)
    await next_offsets(unconfirmed)
    assert await nothing_to_send(unconfirmed)
    assert len(unconfirmed) == 2
    assert unconfirmed.confirm(1)
    assert not unconfirmed.confirm(1)
    assert unconfirmed.offsets == [2]


async def test_new_delivery_gets_all_unconfirmed_outcomes():
    unconfirmed = unconfirmed_with(1, 2, 3)
    await next_offsets(unconfirmed)
    unconfirmed.confirm(2)
    unconfirmed.requeue_all()
    assert await next_offsets(unconfirmed) == [[1, 3]]


async def test_outcomes_without_hurry_are_gathered_and_go_along_with_one_that_has_it():
    unconfirmed = UnconfirmedOutcomes()
    for offset in (1, 2):
        unconfirmed.put(offset, Mock(custom_record=None, can_wait=True))
    assert await nothing_to_send(unconfirmed)
    unconfirmed.put(3, Mock(custom_record=None, can_wait=False))
    assert await next_offsets(unconfirmed) == [[1, 2, 3]]


async def test_outcomes_without_hurry_are_delivered_after_a_moment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_GATHER_SECONDS", 0.001)
    unconfirmed = UnconfirmedOutcomes()
    for offset in (1, 2):
        unconfirmed.put(offset, Mock(custom_record=None, can_wait=True))
    assert await next_offsets(unconfirmed) == [[1, 2]]
    unconfirmed.put(3, Mock(custom_record=None, can_wait=True))
    assert await next_offsets(unconfirmed) == [[3]]


@pytest.mark.parametrize(("max_gathered", "expected"), [(0, 1), (1, 1), (3, 3), (1000, 32)])
async def test_outcomes_without_hurry_are_delivered_at_once_if_there_are_many(max_gathered: int, expected: int):
    unconfirmed = UnconfirmedOutcomes(max_gathered=max_gathered)
    for offset in range(1, expected + 1):
        assert not unconfirmed._any_unsent.is_set()
        unconfirmed.put(offset, Mock(custom_record=None, can_wait=True))
    assert await next_offsets(unconfirmed) == [list(range(1, expected + 1))]


class CustomTopicOutcome:
    """An outcome for a caller's topic. It counts its replacements."""

    creates_topic = can_wait = False

    def __init__(self, topic: str = "inbox") -> None:
        self.custom_record = OutgoingRecord(topic, None, None, b"{}", ())
        self.replacements: list[Mock] = []

    def fall_back(self, record: OutgoingRecord, error: Exception) -> Mock:
        assert record is self.custom_record
        self.replacements.append(Mock(custom_record=None, can_wait=False))
        return self.replacements[-1]

    def on_queued(self) -> None: ...


class DeliveryClock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def unconfirmed_with_missing_topic() -> tuple[UnconfirmedOutcomes, DeliveryClock, dict[int, Any]]:
    """Return three unconfirmed outcomes for a missing topic, after a fourth for a topic of our own was confirmed."""
    clock = DeliveryClock()
    unconfirmed, outcomes = (
        UnconfirmedOutcomes(clock),
        {
            1: CustomTopicOutcome(),
            2: CustomTopicOutcome(),
            3: CustomTopicOutcome(),
            4: Mock(custom_record=None, can_wait=False),
        },
    )
    for offset, outcome in outcomes.items():
        unconfirmed.put(offset, outcome)  # type: ignore[arg-type]
    (group,) = await unconfirmed.next_groups(1000)
    gone = UnknownTopicOrPartitionError("inbox")
    assert unconfirmed.on_failed(group, CustomTopicsUnavailable({1: gone, 2: gone, 3: gone}))
    assert unconfirmed.confirm(4)
    return unconfirmed, clock, outcomes


async def test_outcomes_for_an_unavailable_topic_are_blocked_and_the_first_is_a_probe():
    unconfirmed, clock, _ = await unconfirmed_with_missing_topic()
    assert (unconfirmed.in_delivery, len(unconfirmed)) == (0, 3)
    unconfirmed.put(5, Mock(custom_record=None, can_wait=False))
    unconfirmed.put(6, CustomTopicOutcome())  # type: ignore[arg-type]
    assert await next_offsets(unconfirmed) == [[5]]
    clock.now += 2
    unconfirmed._any_unsent.set()
    assert await next_offsets(unconfirmed) == [[1]]


async def test_successful_probe_unblocks_the_topic():
    unconfirmed, clock, _ = await unconfirmed_with_missing_topic()
    clock.now += 2
    unconfirmed._any_unsent.set()
    await unconfirmed.next_groups(1000)
    unconfirmed.confirm(1)
    assert await next_offsets(unconfirmed) == [[2, 3]]


async def test_outcomes_for_a_topic_that_stays_missing_fall_back():
    unconfirmed, clock, outcomes = await unconfirmed_with_missing_topic()
    clock.now += MISSING_TOPIC_SECONDS
    unconfirmed._any_unsent.set()
    (probe,) = await unconfirmed.next_groups(1000)
    unconfirmed.on_failed(probe, CustomTopicsUnavailable({1: UnknownTopicOrPartitionError("inbox")}))
    assert [len(outcomes[offset].replacements) for offset in (1, 2, 3)] == [1, 1, 1]
    unconfirmed.put(7, too_late := CustomTopicOutcome())  # type: ignore[arg-type]
    (group,) = await unconfirmed.next_groups(1000)
    replacements = {offset: outcomes[offset].replacements[0] for offset in (1, 2, 3)} | {7: too_late.replacements[0]}
    assert group == replacements
    for replacement in replacements.values():
        replacement.on_queued.assert_called_once_with()


async def test_blocked_outcomes_fall_back_before_the_partition_is_released():
    unconfirmed, _, outcomes = await unconfirmed_with_missing_topic()
    unconfirmed.fall_back_blocked()
    (group,) = await unconfirmed.next_groups(1000)
    assert group == {offset: outcomes[offset].replacements[0] for offset in (1, 2, 3)}


async def test_new_delivery_gets_the_replacement_of_an_outcome():
    unconfirmed = unconfirmed_with(1)
    await unconfirmed.next_groups(1000)
    unconfirmed.replace(1, replacement := Mock(custom_record=None, can_wait=False))
    replacement.on_queued.assert_called_once_with()
    assert await nothing_to_send(unconfirmed)
    unconfirmed.requeue_all()
    assert await unconfirmed.next_groups(1000) == [{1: replacement}]


async def test_confirmed_outcome_is_not_replaced():
    unconfirmed = unconfirmed_with(1)
    unconfirmed.confirm(1)
    unconfirmed.replace(1, too_late := Mock(custom_record=None, can_wait=False))
    assert not unconfirmed
    too_late.on_queued.assert_not_called()


async def test_blocked_outcomes_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_MAX_BLOCKED", 3)
    unconfirmed, _, _ = await unconfirmed_with_missing_topic()
    unconfirmed.put(8, CustomTopicOutcome())  # type: ignore[arg-type]
    assert await next_offsets(unconfirmed) == [[8]]


async def test_transactions_shrink_after_a_timeout_and_grow_again():
    unconfirmed = unconfirmed_with(*range(8))
    (outcomes,) = await unconfirmed.next_groups(1000)
    for size in (4, 2, 1):
        assert not unconfirmed.on_failed(outcomes, TimeoutError())
        unconfirmed.requeue_all()
        groups = await unconfirmed.next_groups(1000)
        assert {len(each) for each in groups} == {size}
        outcomes = groups[0]
    for _ in range(4):
        unconfirmed.on_delivered(outcomes)
    unconfirmed.requeue_all()
    assert {len(each) for each in await unconfirmed.next_groups(1000)} == {2}


async def test_put_and_wait_returns_after_the_confirmation():
    unconfirmed = UnconfirmedOutcomes()
    waiting = asyncio.create_task(unconfirmed.put_and_wait(5, Mock(custom_record=None, can_wait=False)))
    assert await next_offsets(unconfirmed) == [[5]]
    assert not waiting.done()
    unconfirmed.confirm(5)
    await waiting


async def test_outcomes_finished_by_another_owner_are_dropped():
    unconfirmed = unconfirmed_with(1, 2)
    (outcomes,) = await unconfirmed.next_groups(1000)
    unconfirmed.drop_finished(lambda offset: offset == 1)
    outcomes[1].on_acknowledged.assert_called_once_with()
    assert unconfirmed.offsets == [2]


async def test_closed_outcomes_accept_no_more():
    unconfirmed = unconfirmed_with(1)
    unconfirmed.close()
    unconfirmed.put(2, too_late := Mock(custom_record=None, can_wait=False))
    assert not unconfirmed
    too_late.on_queued.assert_not_called()
    unconfirmed.requeue_all()
    assert await nothing_to_send(unconfirmed)


async def test_delivery_is_stalled_while_nothing_is_confirmed(monkeypatch: pytest.MonkeyPatch):
    assert not UnconfirmedOutcomes().is_stalled
    unconfirmed = unconfirmed_with(1)
    assert not unconfirmed.is_stalled
    monkeypatch.setattr(module, "_STALL_SECONDS", -1.0)
    assert unconfirmed.is_stalled
    assert not UnconfirmedOutcomes().is_stalled


async def test_replacement_is_queued_once_and_goes_to_the_next_delivery() -> None:
    unconfirmed, replacement = unconfirmed_with(1, 2), Mock(custom_record=None, can_wait=False)
    await unconfirmed.next_groups(1000)
    unconfirmed.replace(1, replacement)
    replacement.on_queued.assert_called_once_with()
    assert await nothing_to_send(unconfirmed), "the delivery that was told of the rejection sends it"
    unconfirmed.requeue_all()
    (group,) = await unconfirmed.next_groups(1000)
    assert group[1] is replacement
    replacement.on_queued.assert_called_once_with()


async def test_outcome_that_is_confirmed_already_is_not_replaced() -> None:
    unconfirmed, too_late = unconfirmed_with(1), Mock(custom_record=None, can_wait=False)
    unconfirmed.confirm(1)
    unconfirmed.replace(1, too_late)
    assert not unconfirmed
    too_late.on_queued.assert_not_called()
