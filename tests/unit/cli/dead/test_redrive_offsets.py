"""The record of redriven dead letters in committed offsets, on a broker that keeps commits as Apache Kafka does."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CoordinatorNotAvailableError, GroupAuthorizationFailedError
from aiokafka.structs import OffsetAndMetadata

from carteiro.cli.dead import redrive_offsets
from carteiro.cli.kafka import KafkaFailed
from carteiro.ledger.ledger import Ledger

DEAD = "llm.chat.dead"
PARTITIONS = [TopicPartition(DEAD, 0), TopicPartition(DEAD, 1)]


class FakeOffsetStore:
    """Admin client and consumer in one, as far as the code uses them."""

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
    monkeypatch.setattr(redrive_offsets, "_TRY_AGAIN_SECONDS", 0.0)


def ledger_with(count: int, *redriven: int) -> Ledger:
    ledger = Ledger()
    for offset in range(count):
        ledger.admit(offset)
    for offset in redriven:
        ledger.finish(offset)
    return ledger


def finished(ledger: Ledger, count: int) -> list[int]:
    return [offset for offset in range(count) if ledger.is_finished(offset)]


async def test_redriven_letters_between_others_are_recorded():
    broker = FakeOffsetStore()
    await redrive_offsets.commit(broker, broker, "chat", DEAD, {0: ledger_with(20, 3, 4, 11)})
    assert broker.offsets[PARTITIONS[0]].offset == 0
    ledgers = await redrive_offsets.load(broker, "chat", PARTITIONS)
    assert (finished(ledgers[0], 20), finished(ledgers[1], 20)) == ([3, 4, 11], [])


async def test_concurrent_redrives_do_not_undo_each_other():
    broker = FakeOffsetStore()
    await redrive_offsets.commit(broker, broker, "chat", DEAD, {0: ledger_with(10, 2)})
    await redrive_offsets.commit(broker, broker, "chat", DEAD, {0: ledger_with(12, 0, 11)})
    ledgers = await redrive_offsets.load(broker, "chat", PARTITIONS)
    assert finished(ledgers[0], 12) == [0, 2, 11]


async def test_response_without_all_partitions_is_an_error():
    broker = FakeOffsetStore(trouble=[{}, CoordinatorNotAvailableError(), {PARTITIONS[0]: OffsetAndMetadata(5, "")}])
    broker.offsets[PARTITIONS[1]] = OffsetAndMetadata(7, "")
    ledgers = await redrive_offsets.load(broker, "chat", PARTITIONS)
    assert not broker.trouble
    assert (ledgers[0].next_unseen, ledgers[1].next_unseen) == (0, 7)


@pytest.mark.parametrize("trouble", [[{}] * 100, [GroupAuthorizationFailedError("no")]])
async def test_failed_load_is_not_taken_for_an_empty_record(trouble):
    with pytest.raises(KafkaFailed, match="consumer group carteiro-dead-chat"):
        await redrive_offsets.load(FakeOffsetStore(trouble=trouble), "chat", PARTITIONS)


async def test_foreign_metadata_keeps_the_offset():
    broker = FakeOffsetStore()
    broker.offsets[PARTITIONS[0]] = OffsetAndMetadata(5, "somebody else's")
    ledgers = await redrive_offsets.load(broker, "chat", PARTITIONS)
    assert finished(ledgers[0], 10) == [0, 1, 2, 3, 4]


def test_offsets_that_do_not_fit_into_a_commit_are_counted():
    ledger = ledger_with(10_000, *range(0, 10_000, 2))
    kept = redrive_offsets.roundtrip(ledger)
    lost = redrive_offsets.count_unrecorded(kept, range(0, 10_000, 2))
    assert 0 < lost < 5000
    assert finished(kept, 10_000) == list(range(0, 2 * (5000 - lost), 2)), "the oldest are kept, and no others"
    assert (
        redrive_offsets.count_unrecorded(
            redrive_offsets.roundtrip(ledger_with(100, *range(0, 100, 2))), range(0, 100, 2)
        )
        == 0
    )
