"""What is remembered of the letters that were redriven, on a broker that keeps commits as Apache Kafka does."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CoordinatorNotAvailableError, GroupAuthorizationFailedError
from aiokafka.structs import OffsetAndMetadata

from carteiro.cli.dead import remembered
from carteiro.cli.kafka import KafkaFailed
from carteiro.worker.delivery.ledger import Ledger

DEAD = "llm.chat.dead"
PARTITIONS = [TopicPartition(DEAD, 0), TopicPartition(DEAD, 1)]


class Broker:
    """The admin client and the consumer in one, as far as they are asked."""

    def __init__(self, **answers: Any) -> None:
        self.offsets: dict[TopicPartition, OffsetAndMetadata] = {}
        self.trouble: list[Any] = answers.get("trouble", [])

    async def list_consumer_group_offsets(self, group, partitions):
        assert group == "carteiro-dead-chat"
        if self.trouble:
            trouble = self.trouble.pop(0)
            if isinstance(trouble, Exception):
                raise trouble
            return trouble
        return {each: self.offsets.get(each, OffsetAndMetadata(-1, "")) for each in partitions}

    async def commit(self, offsets):
        self.offsets.update(offsets)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(remembered, "_TRY_AGAIN_SECONDS", 0.0)


def seen(count: int, *redriven: int) -> Ledger:
    ledger = Ledger()
    for offset in range(count):
        ledger.take(offset)
    for offset in redriven:
        ledger.finish(offset)
    return ledger


def finished(ledger: Ledger, count: int) -> list[int]:
    return [offset for offset in range(count) if ledger.finished(offset)]


async def test_single_letters_between_waiting_ones_are_remembered():
    broker = Broker()
    await remembered.remember(broker, broker, "chat", DEAD, {0: seen(20, 3, 4, 11)})
    assert broker.offsets[PARTITIONS[0]].offset == 0
    ledgers = await remembered.recall(broker, "chat", PARTITIONS)
    assert (finished(ledgers[0], 20), finished(ledgers[1], 20)) == ([3, 4, 11], [])


async def test_two_who_redrive_at_once_do_not_undo_each_other():
    broker = Broker()
    await remembered.remember(broker, broker, "chat", DEAD, {0: seen(10, 2)})
    await remembered.remember(broker, broker, "chat", DEAD, {0: seen(12, 0, 11)})
    ledgers = await remembered.recall(broker, "chat", PARTITIONS)
    assert finished(ledgers[0], 12) == [0, 2, 11]


async def test_an_answer_that_leaves_partitions_out_is_no_answer():
    broker = Broker(trouble=[{}, CoordinatorNotAvailableError(), {PARTITIONS[0]: OffsetAndMetadata(5, "")}])
    broker.offsets[PARTITIONS[1]] = OffsetAndMetadata(7, "")
    ledgers = await remembered.recall(broker, "chat", PARTITIONS)
    assert not broker.trouble
    assert (ledgers[0].end, ledgers[1].end) == (0, 7)


@pytest.mark.parametrize("trouble", [[{}] * 100, [GroupAuthorizationFailedError("no")]])
async def test_what_cannot_be_recalled_is_not_taken_for_nothing(trouble):
    with pytest.raises(KafkaFailed, match="consumer group carteiro-dead-chat"):
        await remembered.recall(Broker(trouble=trouble), "chat", PARTITIONS)


async def test_metadata_that_is_not_ours_leaves_the_offset():
    broker = Broker()
    broker.offsets[PARTITIONS[0]] = OffsetAndMetadata(5, "somebody else's")
    ledgers = await remembered.recall(broker, "chat", PARTITIONS)
    assert finished(ledgers[0], 10) == [0, 1, 2, 3, 4]


def test_what_does_not_fit_into_a_commit_is_counted():
    ledger = seen(10_000, *range(0, 10_000, 2))
    kept = remembered.as_kept(ledger)
    lost = remembered.forgotten(kept, range(0, 10_000, 2))
    assert 0 < lost < 5000
    assert finished(kept, 10_000) == list(range(0, 2 * (5000 - lost), 2)), "the oldest are kept, and no others"
    assert remembered.forgotten(remembered.as_kept(seen(100, *range(0, 100, 2))), range(0, 100, 2)) == 0
