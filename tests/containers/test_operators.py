"""Offsets that are reset, mirrored or out of range; topics that are recreated, truncated or extended."""

import time
from collections import Counter

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.errors import TopicAlreadyExistsError

from carteiro.ledger.crash_tracker import CrashTracker
from carteiro.ledger.ledger import Ledger
from carteiro.ledger.metadata import EpochCheckpoint, decode_commit, decode_metadata, encode_metadata
from tests.conftest import eventually, eventually_true
from tests.containers import audit, operators
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider

pytestmark = [pytest.mark.containers, pytest.mark.timeout(150)]

MODES = ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.long)]


async def counts(cluster: Cluster) -> Counter[str]:
    """Return the number of replies to each request."""
    return await audit.count_by_correlation_id(cluster.address, cluster.topics[1], cluster.isolation_level)


async def no_lag(cluster: Cluster) -> bool:
    return not await cluster.lag()


@pytest.mark.parametrize("mode", MODES)
async def test_reset_group_serves_from_the_operators_offset(kafka: ApacheKafka, model: ScriptedProvider, mode: str):
    cluster = Cluster(kafka.address, model, f"reset-{time.time_ns()}", mode=mode)
    async with cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait("a")
        first = await traffic.send(f"prompt {number}" for number in range(8))
        await traffic.wait_until_answered(first)
        await cluster.stop()

        await operators.reset_offsets(kafka, cluster.group, traffic.requests, "--shift-by", "-3")
        await cluster.start_and_wait("a")
        await eventually_true(lambda: no_lag(cluster))
        await cluster.stop()
        assert await counts(cluster) == Counter(first + first[-3:])

        passed_over = await traffic.send(f"passed over {number}" for number in range(3))
        await operators.reset_offsets(kafka, cluster.group, traffic.requests, "--to-latest")
        await cluster.start_and_wait("a")
        last = await traffic.send(["last"])
        await traffic.wait_until_answered(last)
        await cluster.stop()
        assert await counts(cluster) == Counter(first + first[-3:] + last)

        await operators.reset_offsets(kafka, cluster.group, traffic.requests, "--to-earliest")
        await cluster.start_and_wait("a")
        await eventually_true(lambda: no_lag(cluster))
        await cluster.stop()
        assert await counts(cluster) == Counter(2 * first + first[-3:] + passed_over + 2 * last)


@pytest.mark.long
@pytest.mark.parametrize("mode", MODES)
async def test_metadata_of_another_offset_finishes_no_request(kafka: ApacheKafka, model: ScriptedProvider, mode: str):
    model.when("hung", "hang")
    cluster = Cluster(kafka.address, model, f"mirrored-{time.time_ns()}", mode=mode, CARTEIRO_GRACE_SECONDS="0")
    async with cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait("a")
        await traffic.send(["hung"])
        await traffic.wait_until_answered(await traffic.send(f"before {number}" for number in range(9)))

        async def is_committed() -> bool:
            found = await operators.committed_offset(kafka, cluster.group, traffic.requests)
            return decode_metadata(found.offset, found.metadata)[0].next_unseen == 10

        await eventually_true(is_committed)
        found = await operators.committed_offset(kafka, cluster.group, traffic.requests)
        await cluster.stop()
        await operators.commit_offset(kafka, cluster.group, traffic.requests, 5, found.metadata)
        new = await traffic.send(f"after {number}" for number in range(5))
        model.clear("hung")
        await cluster.start_and_wait("a")
        await traffic.wait_until_answered(new, 40)
        await cluster.stop()
        assert not await cluster.lag()


@pytest.mark.parametrize("mode", MODES)
async def test_topic_recreated_under_a_worker_is_served_whole(kafka: ApacheKafka, model: ScriptedProvider, mode: str):
    cluster = Cluster(kafka.address, model, f"again-{time.time_ns()}", mode=mode)
    async with cluster, cluster.traffic() as traffic:
        worker = await cluster.start_and_wait("a")
        await traffic.wait_until_answered(await traffic.send(f"old {number}" for number in range(30)))
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
        await admin.start()
        try:
            await admin.delete_topics([traffic.requests])

            async def is_created() -> bool:
                answer = await admin.create_topics([NewTopic(traffic.requests, 1, 1)])
                # This broker creates a topic on any metadata request, as that of the worker's consumer.
                return answer.topic_errors[0][1] in (0, TopicAlreadyExistsError.errno)

            await eventually_true(is_created)
        finally:
            await admin.close()
        new = await traffic.send(f"new {number}" for number in range(30))
        await traffic.wait_until_answered(new, 60)
        await eventually_true(lambda: no_lag(cluster), 30)
        assert not worker.has_exited()
        await cluster.stop_and_check(traffic)
        assert cluster.calls(traffic) == 60


@pytest.mark.long
async def test_records_left_by_retention_are_served_once_and_loss_is_logged(
    kafka: ApacheKafka, model: ScriptedProvider
):
    cluster = Cluster(kafka.address, model, f"retention-{time.time_ns()}")
    async with cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait("a")
        first = await traffic.send(f"first {number}" for number in range(5))
        await traffic.wait_until_answered(first)
        await cluster.stop()
        gone = await traffic.send(f"gone {number}" for number in range(4))
        left = await traffic.send(f"left {number}" for number in range(3))
        await operators.delete_records(kafka, traffic.requests, 9)
        worker = await cluster.start_and_wait("a")
        await traffic.wait_until_answered(left, 40)
        assert set(traffic.unanswered()) == set(gone)
        line = next(line for line in worker.log if "retention" in line["event"])
        assert (line["committed"], line["log_start"], line["requests"]) == (5, 9, 4)
        await operators.delete_records(kafka, traffic.requests, 12)
        await cluster.stop()
        assert not await cluster.lag()
        assert await counts(cluster) == Counter(first + left)


async def test_offset_beyond_the_log_is_reported_and_skips_nothing(kafka: ApacheKafka, model: ScriptedProvider):
    cluster = Cluster(kafka.address, model, f"beyond-{time.time_ns()}")
    async with cluster, cluster.traffic() as traffic:
        await traffic.send(f"prompt {number}" for number in range(5))
        await operators.commit_offset(kafka, cluster.group, traffic.requests, 40, "")
        worker = await cluster.start_and_wait("a")
        await traffic.wait_until_answered(traffic.prompts, 40)
        line = next(line for line in worker.log if "unclean" in line["event"])
        assert (line["committed"], line["log_end"], line["reading_from"]) == (40, 5, 0)
        await cluster.stop_and_check(traffic)


async def test_truncated_log_is_served_only_from_its_new_records(kafka: ApacheKafka, model: ScriptedProvider):
    cluster = Cluster(kafka.address, model, f"cut-{time.time_ns()}")
    async with cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait("a")
        await traffic.wait_until_answered(await traffic.send(f"before {number}" for number in range(5)))
        await cluster.stop()
        found = await operators.committed_offset(kafka, cluster.group, traffic.requests)
        written = decode_commit(found.offset, found.metadata)
        # As if 40 requests had been finished, of which the first 5 were read before the last check of the leader.
        lost = encode_metadata(
            Ledger(40), CrashTracker(), written.identity, EpochCheckpoint(written.checkpoint.epoch, 5)
        )
        await operators.commit_offset(kafka, cluster.group, traffic.requests, *lost)
        await traffic.send(f"after {number}" for number in range(5))
        worker = await cluster.start_and_wait("a")
        await traffic.wait_until_answered(traffic.prompts, 40)
        line = next(line for line in worker.log if "unclean" in line["event"])
        assert (line["committed"], line["log_end"], line["reading_from"]) == (40, 10, 5)
        await cluster.stop_and_check(traffic)
        assert cluster.calls(traffic) == 10


@pytest.mark.long
async def test_new_partitions_are_served_at_once(kafka: ApacheKafka, model: ScriptedProvider):
    cluster = Cluster(kafka.address, model, f"grows-{time.time_ns()}")
    async with cluster, cluster.traffic() as traffic:
        worker = await cluster.start_and_wait("a")
        await traffic.wait_until_answered(await traffic.send(["before"]))
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
        await admin.start()
        try:
            await admin.create_partitions({traffic.requests: NewPartitions(3)})
        finally:
            await admin.close()
        await eventually(lambda: worker.partitions == [0, 1, 2], 30)
    async with cluster.traffic() as traffic:
        await traffic.wait_until_answered(await traffic.send(["in a new one"], partition=2), 30)


async def test_stop_without_grace_period_counts_as_no_crash(kafka: ApacheKafka, model: ScriptedProvider):
    model.when("hung", "hang")
    cluster = Cluster(kafka.address, model, f"grace-{time.time_ns()}", CARTEIRO_GRACE_SECONDS="0")
    async with cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait("a")
        (hung,) = await traffic.send(["hung"])
        await traffic.wait_until_answered(await traffic.send(["quick"]))
        await cluster.stop()
        found = await operators.committed_offset(kafka, cluster.group, traffic.requests)
        _, suspects = decode_metadata(found.offset, found.metadata)
        assert (suspects.owner, suspects.crash_marks) == (0, [])
        model.clear("hung")
        worker = await cluster.start_and_wait("a")
        await traffic.wait_until_answered([hung])
        assert not [line for line in worker.log if "owner died" in line["event"]]
        await cluster.stop_and_check(traffic)
