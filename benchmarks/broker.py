"""The Kafka that several benchmarks run on."""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from carteiro.worker.kafka.reaching import why_unreachable
from tests.containers.conftest import ApacheKafka

_KAFKA_SECONDS = 120.0


@asynccontextmanager
async def broker(bootstrap: str | None) -> AsyncIterator[str]:
    """The address of a Kafka that answers: the given one, or a container that is there until the block ends."""
    if bootstrap:
        await reach(bootstrap)
        yield bootstrap
        return
    with ApacheKafka() as started:
        await reach(started.address)
        yield started.address


async def reach(bootstrap: str) -> None:
    """Return once the broker answers. Raises `SystemExit` after a while."""
    # While it starts, and when it goes, there is a line for each connection that fails.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    give_up = time.monotonic() + _KAFKA_SECONDS
    while reason := await why_unreachable({"bootstrap_servers": [bootstrap], "security_protocol": "PLAINTEXT"}):
        if time.monotonic() > give_up:
            sys.exit(f"benchmarks: no Kafka at {bootstrap}: {reason}")
        await asyncio.sleep(0.5)


@asynccontextmanager
async def topics(bootstrap: str, requests: str, replies: str, partitions: int) -> AsyncIterator[None]:
    """The two topics, for as long as they are needed. Replies bear the time at which the broker appended them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        by_broker = {"message.timestamp.type": "LogAppendTime"}
        await admin.create_topics(
            [
                NewTopic(requests, partitions, 1),
                NewTopic(replies, partitions, 1, topic_configs=by_broker),
            ]
        )
        yield
        await admin.delete_topics([requests, replies])
    finally:
        await admin.close()
