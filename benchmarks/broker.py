"""The Kafka broker of several benchmarks."""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from carteiro.kafka.connection import probe_connection
from tests.containers.conftest import ApacheKafka

_KAFKA_SECONDS = 120.0


@asynccontextmanager
async def broker(bootstrap: str | None) -> AsyncIterator[str]:
    """Yield the address of a Kafka that answers: the given one, or a container that runs until the block ends."""
    if bootstrap:
        await wait_for_broker(bootstrap)
        yield bootstrap
        return
    with ApacheKafka().with_env("KAFKA_OPTS", "") as started:  # Its compiler and collector are those of a real broker.
        await wait_for_broker(started.address)
        yield started.address


async def wait_for_broker(bootstrap: str) -> None:
    """Return once the broker answers. Raise `SystemExit` after a timeout."""
    # During its start and stop, there is a log line for each connection that fails.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    give_up = time.monotonic() + _KAFKA_SECONDS
    while reason := await probe_connection({"bootstrap_servers": [bootstrap], "security_protocol": "PLAINTEXT"}):
        if time.monotonic() > give_up:
            sys.exit(f"benchmarks: no Kafka at {bootstrap}: {reason}")
        await asyncio.sleep(0.5)


@asynccontextmanager
async def temporary_topics(bootstrap: str, requests: str, replies: str, partitions: int) -> AsyncIterator[None]:
    """Create the two topics, and delete them at the end. Replies have the time at which the broker appended them."""
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
