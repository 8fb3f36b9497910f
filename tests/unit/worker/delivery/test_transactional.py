"""Transactions of replies and offsets, over a cluster in memory."""

import asyncio
from collections.abc import Mapping

import pytest
from aiokafka.errors import (
    InvalidTransactionTimeout,
    KafkaError,
    MessageSizeTooLargeError,
    OffsetMetadataTooLargeError,
    ProducerClosed,
    ProducerFenced,
    RequestTimedOutError,
    UnknownError,
    UnknownTopicOrPartitionError,
)
from hypothesis import given
from hypothesis import strategies as st

from carteiro.kafka.broker_limits import MAX_METADATA_BYTES, TRANSACTION_SECONDS, BrokerLimits
from carteiro.ledger.metadata import decode_commit
from carteiro.worker.delivery.interface import CleanupFailed, CustomTopicsUnavailable, DeliveryTimeout
from carteiro.worker.delivery.outcome import NoReplyOutcome
from carteiro.worker.delivery.transactional import TransactionalDelivery
from tests.unit.wire.record_batches.batch_builder import PARTITION
from tests.unit.worker.delivery.fake_consumer import FakeConsumer
from tests.unit.worker.delivery.fake_kafka import FakeKafka, Step
from tests.unit.worker.delivery.fake_lane import (
    JOURNAL,
    REPLIES,
    FakeContext,
    FakeOutcome,
    KeptOutcome,
    UnpreparedOutcome,
    reply,
)

INBOX = "inbox"


def committed(kafka: FakeKafka) -> set[int]:
    """Return the offsets below 12 that are finished according to the group's commit."""
    found = kafka.commits[PARTITION]
    content = decode_commit(found.offset, found.metadata)
    assert content is not None
    return set(filter(content.ledger.is_finished, range(12)))


async def open_delivery(
    kafka: FakeKafka, context: FakeContext, limits: BrokerLimits | None = None
) -> TransactionalDelivery:
    delivery = TransactionalDelivery({}, context, limits, create_producer=kafka.create_producer)
    await delivery.open(FakeConsumer(kafka))  # type: ignore[arg-type]
    return delivery


@pytest.fixture
def kafka() -> FakeKafka:
    return FakeKafka()


@pytest.fixture
def context() -> FakeContext:
    return FakeContext(admitted=4)


@pytest.fixture
async def delivery(kafka: FakeKafka, context: FakeContext) -> TransactionalDelivery:
    return await open_delivery(kafka, context)


def outcomes(*offsets: int) -> dict[int, FakeOutcome]:
    return {offset: FakeOutcome(b"%d" % offset) for offset in offsets}


async def test_replies_and_offsets_become_visible_together(
    kafka: FakeKafka, context: FakeContext, delivery: TransactionalDelivery
) -> None:
    kafka.hangs.add("commit")
    delivering = asyncio.create_task(delivery.deliver(outcomes(0, 2)))
    await kafka.hung.wait()
    assert len(kafka.logs[REPLIES]) == 2, "the records are written"
    assert (kafka.values(REPLIES), kafka.commits, context.acknowledged) == ([], {}, [])
    kafka.release()
    await delivering
    assert kafka.values(REPLIES) == [b"0", b"2"]
    assert committed(kafka) == {0, 2}
    assert kafka.commits[PARTITION].offset == 1
    assert context.acknowledged == [0, 2]


async def test_request_that_finishes_during_a_transaction_belongs_to_the_next(
    kafka: FakeKafka, context: FakeContext, delivery: TransactionalDelivery
) -> None:
    kafka.hangs.add("offsets")
    delivering = asyncio.create_task(delivery.deliver(outcomes(0)))
    await kafka.hung.wait()
    context.ledger.finish(1)
    kafka.release()
    await delivering
    assert committed(kafka) == {0}
    await delivery.commit()
    assert committed(kafka) == {0, 1}


@pytest.mark.parametrize("step", ["begin", "dispatch", "write", "offsets", "commit"])
async def test_failed_transaction_leaves_nothing_visible_and_the_next_delivery_repeats_it(
    kafka: FakeKafka, context: FakeContext, delivery: TransactionalDelivery, step: Step
) -> None:
    kafka.errors[step] = [RequestTimedOutError()]
    with pytest.raises(RequestTimedOutError):
        await delivery.deliver(outcomes(0, 1))
    assert (kafka.values(REPLIES), kafka.commits, context.acknowledged) == ([], {}, [])
    assert not context.ledger.is_finished(0), "or the next commit would lose the request"
    await delivery.close()
    await (await open_delivery(kafka, context)).deliver(outcomes(0, 1))
    assert kafka.values(REPLIES) == [b"0", b"1"]
    assert committed(kafka) == {0, 1}


async def test_lost_answer_to_a_commit_leaves_outcomes_unconfirmed_and_committed(
    kafka: FakeKafka, context: FakeContext, delivery: TransactionalDelivery
) -> None:
    kafka.errors["committed"] = [RequestTimedOutError()]
    with pytest.raises(RequestTimedOutError):
        await delivery.deliver(outcomes(0))
    assert context.acknowledged == []
    assert committed(kafka) == {0}, "so the next delivery drops the outcome instead of sending it again"


@pytest.mark.parametrize("step", ["begin", "write", "offsets", "commit"])
async def test_fenced_producer_publishes_nothing_and_raises_that_it_is_fenced(
    kafka: FakeKafka, context: FakeContext, delivery: TransactionalDelivery, step: Step
) -> None:
    kafka.hangs.add(step)
    delivering = asyncio.create_task(delivery.deliver(outcomes(0, 1)))
    await kafka.hung.wait()
    next_owner = await open_delivery(kafka, FakeContext(admitted=4))
    kafka.release()
    with pytest.raises(ProducerFenced):
        await delivering
    assert (kafka.values(REPLIES), kafka.commits, context.acknowledged) == ([], {}, [])
    await next_owner.deliver(outcomes(0, 1))
    assert kafka.values(REPLIES) == [b"0", b"1"]


async def test_partitions_and_groups_fence_only_their_own_producers(kafka: FakeKafka, context: FakeContext) -> None:
    await open_delivery(kafka, context)
    assert list(kafka.producers) == [f"g-{PARTITION.topic}-{PARTITION.partition}"]


@pytest.mark.parametrize("step", ["dispatch", "write"])
async def test_rejected_reply_gets_a_fallback_and_the_rest_is_delivered(
    kafka: FakeKafka, context: FakeContext, delivery: TransactionalDelivery, step: Step
) -> None:
    too_large = MessageSizeTooLargeError()
    kafka.errors[step] = [too_large]
    await delivery.deliver({0: FakeOutcome(b"0", fallback=b"error"), **outcomes(1, 2)})
    assert kafka.values(REPLIES) == [b"error", b"1", b"2"]
    assert context.replaced[0].reason is too_large
    assert context.acknowledged == [0, 1, 2]
    assert committed(kafka) == {0, 1, 2}


async def test_fallback_is_prepared_before_it_is_sent(
    kafka: FakeKafka, context: FakeContext, delivery: TransactionalDelivery
) -> None:
    kafka.rejection = lambda record: MessageSizeTooLargeError() if record.value == b"large" else None
    await delivery.deliver(outcomes(0) | {1: UnpreparedOutcome(b"large")})
    assert kafka.values(REPLIES) == [b"0", b"prepared"]
    assert context.replaced[1].records[0].value == b"prepared"
    assert context.acknowledged == [0, 1]


async def test_every_rejected_reply_of_a_transaction_gets_a_fallback(
    kafka: FakeKafka, delivery: TransactionalDelivery
) -> None:
    kafka.rejection = lambda record: MessageSizeTooLargeError() if record.value == b"large" else None
    await delivery.deliver({0: FakeOutcome(b"large", fallback=b"a"), 1: FakeOutcome(b"large", fallback=b"b")})
    assert kafka.values(REPLIES) == [b"a", b"b"]


async def test_replacement_is_kept_for_the_next_delivery_if_the_transaction_fails(
    kafka: FakeKafka, context: FakeContext, delivery: TransactionalDelivery
) -> None:
    kafka.rejection = lambda record: MessageSizeTooLargeError() if record.value == b"large" else None
    with pytest.raises(MessageSizeTooLargeError):
        await delivery.deliver({0: FakeOutcome(b"large", fallback=b"small"), 1: FakeOutcome(b"large")})
    assert [record.value for record in context.replaced[0].records] == [b"small"]
    assert (kafka.values(REPLIES), context.acknowledged) == ([], [])


async def test_rejected_reply_without_a_fallback_ends_the_delivery_with_the_rejection(
    kafka: FakeKafka, context: FakeContext, delivery: TransactionalDelivery
) -> None:
    kafka.rejection = lambda _: MessageSizeTooLargeError()
    with pytest.raises(MessageSizeTooLargeError):
        await delivery.deliver(outcomes(0))
    assert (kafka.values(REPLIES), context.acknowledged) == ([], [])


async def test_error_that_is_no_rejection_gets_no_fallback(
    kafka: FakeKafka, context: FakeContext, delivery: TransactionalDelivery
) -> None:
    kafka.rejection = lambda _: UnknownError()
    with pytest.raises(UnknownError):
        await delivery.deliver({0: FakeOutcome(b"0", fallback=b"error")})
    assert context.replaced == {}


async def test_outcome_without_records_is_committed(kafka: FakeKafka, delivery: TransactionalDelivery) -> None:
    await delivery.deliver({0: NoReplyOutcome()})
    assert (kafka.values(REPLIES), committed(kafka)) == ([], {0})


async def test_snapshot_is_published_with_the_commit(
    kafka: FakeKafka, context: FakeContext, delivery: TransactionalDelivery
) -> None:
    context.snapshot = [reply(b"ledger", "batches")]
    kafka.errors["commit"] = [RequestTimedOutError()]
    with pytest.raises(RequestTimedOutError):
        await delivery.commit()
    assert kafka.values("batches") == []
    await (await open_delivery(kafka, context)).commit()
    assert kafka.values("batches") == [b"ledger"]


async def test_outcome_for_an_unavailable_topic_waits_and_the_rest_is_delivered(
    kafka: FakeKafka, context: FakeContext, delivery: TransactionalDelivery
) -> None:
    gone = kafka.unavailable_topics[INBOX] = UnknownTopicOrPartitionError(INBOX)
    with pytest.raises(CustomTopicsUnavailable) as raised:
        await delivery.deliver({0: FakeOutcome(b"0", INBOX), **outcomes(1)})
    assert raised.value.custom_topic_errors == {0: gone}
    assert (kafka.values(REPLIES), context.acknowledged) == ([b"1"], [1])
    del kafka.unavailable_topics[INBOX]
    await delivery.deliver({0: FakeOutcome(b"0", INBOX)})
    assert kafka.values(INBOX) == [b"0"]


@pytest.mark.parametrize(("silent", "blamed"), [({INBOX}, {0}), ({INBOX, REPLIES}, set())], ids=["topic", "broker"])
async def test_custom_topic_is_blamed_for_a_timeout_only_if_other_topics_answer(
    kafka: FakeKafka, context: FakeContext, silent: set[str], blamed: set[int]
) -> None:
    delivery = await open_delivery(kafka, context, BrokerLimits(transaction_seconds=0.1))
    kafka.silent_topics = silent
    with pytest.raises(DeliveryTimeout) as raised:
        await delivery.deliver({0: FakeOutcome(b"0", INBOX), **outcomes(1)})
    assert set(raised.value.custom_topic_errors) == blamed
    assert context.acknowledged == []


async def test_silent_broker_ends_the_delivery_in_time(kafka: FakeKafka, context: FakeContext) -> None:
    delivery = await open_delivery(kafka, context, BrokerLimits(transaction_seconds=0.05))
    kafka.silent_topics = {REPLIES}
    with pytest.raises(TimeoutError):
        await delivery.deliver(outcomes(0))


async def test_open_shortens_transactions_until_the_broker_takes_them(kafka: FakeKafka, context: FakeContext) -> None:
    kafka.errors["start"] = [InvalidTransactionTimeout(), InvalidTransactionTimeout()]
    limits = BrokerLimits()
    await open_delivery(kafka, context, limits)
    seconds = [each["transaction_seconds"] for each in kafka.created]
    assert seconds == [TRANSACTION_SECONDS / 2**n for n in range(3)]
    assert limits.transaction_seconds == seconds[-1]


async def test_open_raises_every_other_error(kafka: FakeKafka, context: FakeContext) -> None:
    kafka.errors["start"] = [RequestTimedOutError()]
    with pytest.raises(RequestTimedOutError):
        await open_delivery(kafka, context)


async def test_rejected_metadata_lowers_the_limit_for_the_next_delivery(kafka: FakeKafka, context: FakeContext) -> None:
    limits = BrokerLimits()
    delivery = await open_delivery(kafka, context, limits)
    kafka.errors["offsets"] = [OffsetMetadataTooLargeError()]
    with pytest.raises(OffsetMetadataTooLargeError):
        await delivery.deliver(outcomes(0))
    assert limits.metadata_bytes < MAX_METADATA_BYTES


async def test_published_record_is_visible_and_commits_no_offset(
    kafka: FakeKafka, delivery: TransactionalDelivery
) -> None:
    await delivery.publish(reply(b"state", "batches"))
    assert (kafka.values("batches"), kafka.commits) == ([b"state"], {})


async def test_transactions_of_one_lane_run_one_after_the_other(
    kafka: FakeKafka, delivery: TransactionalDelivery
) -> None:
    await asyncio.gather(delivery.deliver(outcomes(0)), delivery.commit(), delivery.publish(reply(b"x", "batches")))
    assert (kafka.values(REPLIES), kafka.values("batches")) == ([b"0"], [b"x"])


async def test_closed_delivery_stops_its_producer_and_publishes_nothing(
    kafka: FakeKafka, delivery: TransactionalDelivery
) -> None:
    (producer,) = kafka.producers.values()
    await delivery.close()
    await delivery.close()
    assert producer.stopped
    for attempt in (delivery.deliver(outcomes(0)), delivery.commit(), delivery.publish(reply(b"x"))):
        with pytest.raises(ProducerClosed):
            await attempt
    assert kafka.values(REPLIES) == []


@given(
    st.lists(st.integers(0, 11), unique=True, min_size=1, max_size=12).flatmap(
        lambda offsets: st.tuples(st.just(offsets), st.lists(st.integers(1, 5), min_size=1, max_size=6))
    ),
    st.lists(st.sampled_from(["begin", "dispatch", "write", "offsets", "commit"]), max_size=3),
)
async def test_commit_has_exactly_the_outcomes_that_are_visible(
    deliveries: tuple[list[int], list[int]], failures: list[Step]
) -> None:
    kafka, context = FakeKafka(), FakeContext(admitted=12)
    for step in failures:
        kafka.errors[step].append(RequestTimedOutError())
    offsets, sizes = deliveries
    delivery = await open_delivery(kafka, context)
    for size in [*sizes, 12]:
        group, offsets = offsets[:size], offsets[size:]
        while group and not await delivers(delivery, outcomes(*group)):
            delivery = await open_delivery(kafka, context)
        if kafka.commits:
            visible = {int(value or b"") for value in kafka.values(REPLIES)}
            assert visible == committed(kafka)
            assert kafka.commits[PARTITION].offset == min(set(range(13)) - visible)
            assert len(kafka.values(REPLIES)) == len(visible)
    assert sorted(context.acknowledged) == sorted(deliveries[0])


async def delivers(delivery: TransactionalDelivery, group: Mapping[int, FakeOutcome]) -> bool:
    try:
        await delivery.deliver(group)
    except KafkaError:
        return False
    return True


async def test_journal_is_deleted_in_the_transaction_of_the_reply(
    kafka: FakeKafka, delivery: TransactionalDelivery
) -> None:
    kafka.hangs.add("commit")
    delivering = asyncio.create_task(delivery.deliver({0: KeptOutcome(b"0"), 1: FakeOutcome(b"1")}))
    await kafka.hung.wait()
    assert (len(kafka.logs[JOURNAL]), kafka.visible(JOURNAL)) == (1, [])
    kafka.release()
    await delivering
    assert [(each.key, each.value) for each in kafka.visible(JOURNAL)] == [(b"17/a", None)]
    assert kafka.values(REPLIES) == [b"0", b"1"]


@pytest.mark.parametrize("is_silent", [True, False])
async def test_topic_that_takes_no_deletion_delays_a_reply_once(
    kafka: FakeKafka, context: FakeContext, is_silent: bool
) -> None:
    if is_silent:
        kafka.silent_topics.add(JOURNAL)
    else:
        kafka.rejection = lambda record: UnknownTopicOrPartitionError() if record.topic == JOURNAL else None
    outcome = KeptOutcome(b"0")
    first = await open_delivery(kafka, context, BrokerLimits(transaction_seconds=0.1))
    with pytest.raises(CleanupFailed):
        await first.deliver({0: outcome})
    assert len(outcome.cleanup.errors) == 1
    await (await open_delivery(kafka, context)).deliver({0: outcome})
    assert kafka.values(REPLIES) == [b"0"]
    assert kafka.visible(JOURNAL) == []


async def test_fenced_lane_does_not_blame_the_topic_of_the_journal(
    kafka: FakeKafka, context: FakeContext, delivery: TransactionalDelivery
) -> None:
    outcome = KeptOutcome(b"0")
    kafka.rejection = lambda record: ProducerFenced() if record.topic == JOURNAL else None
    with pytest.raises(ProducerFenced):
        await delivery.deliver({0: outcome})
    assert outcome.cleanup.errors == []
