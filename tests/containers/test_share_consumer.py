"""The delivery benchmark's peer on the JVM, on Apache Kafka: it is compared as a service that loses nothing."""

from collections import Counter

import pytest

from benchmarks.broker import temporary_topics
from benchmarks.delivery import kafka as measured
from benchmarks.delivery.contender_config import ContenderConfig
from benchmarks.delivery.contenders import CONTENDERS
from benchmarks.delivery.traffic import REQUESTS
from tests.conftest import eventually_true
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider

COUNT = 150
MAX_IN_FLIGHT = 64
SHARE_CONSUMER = next(each for each in CONTENDERS if each.name == "share consumer")

pytestmark = [
    pytest.mark.containers,
    pytest.mark.skipif(SHARE_CONSUMER.missing_program() is not None, reason="no JDK"),
]


async def test_killed_share_consumer_loses_no_request_in_flight(kafka: ApacheKafka, model: ScriptedProvider, tmp_path):
    pytest.importorskip("psutil", reason="comes with the group bench")
    from benchmarks.delivery.processes import ContenderProcess

    job = ContenderConfig(
        bootstrap=kafka.address,
        prefix="share",
        max_in_flight=MAX_IN_FLIGHT,
        latency=0.0,
        url=model.url,
        log_level="warning",
        options=dict(SHARE_CONSUMER.options),
    )
    replies: list[measured.MeasuredReply] = []
    async with (
        temporary_topics(kafka.address, job.requests, job.replies, 1),
        measured.open_consumer(kafka.address, job.replies, 1) as reader,
    ):
        await measured.preload(kafka.address, job.requests, 1, COUNT, REQUESTS)
        model.hold()
        with ContenderProcess(SHARE_CONSUMER, job, tmp_path / "killed.log") as process:

            async def are_all_in_flight() -> bool:
                process.sample()  # Raises if the process ended, with the end of its log.
                return len(model.requests) == MAX_IN_FLIGHT

            await eventually_true(are_all_in_flight)
            process._process.kill()
        model.release()
        with ContenderProcess(SHARE_CONSUMER, job, tmp_path / "next.log") as process:

            async def are_all_answered() -> bool:
                process.sample()
                replies.extend(await measured.read_replies(reader, REQUESTS))
                return len(replies) >= COUNT

            await eventually_true(are_all_answered)
        replies += await measured.read_replies(reader, REQUESTS)
    assert Counter(reply.request for reply in replies) == Counter(map(str, range(COUNT)))
    assert all(reply.ok for reply in replies)
    assert len(model.requests) == COUNT + MAX_IN_FLIGHT
