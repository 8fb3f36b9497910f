"""`python -m benchmarks.soak`: all services on Apache Kafka under mixed load with faults, for a set time."""

import argparse
import asyncio
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable

from aiokafka.admin import AIOKafkaAdminClient

from benchmarks.broker import wait_for_broker
from benchmarks.results import argument_parser, parse_arguments, save
from benchmarks.soak.faults import inject_faults
from benchmarks.soak.faulty_provider import FaultyProvider
from benchmarks.soak.monitor import LagReader, monitor
from benchmarks.soak.pass_criteria import lost_and_duplicate, problems
from benchmarks.soak.plot import plot
from benchmarks.soak.record import SoakRecord
from benchmarks.soak.report import ABOUT, tables
from benchmarks.soak.schedule import schedule
from benchmarks.soak.traffic import CallStats, LoadGenerator
from benchmarks.soak.workers import WorkerFleet
from carteiro.client import Carteiro
from carteiro.tasks.discovery import find_tasks
from carteiro.tasks.topic_specs import required_topics
from carteiro.wire.topics import Topics
from tests.containers import audit
from tests.containers.conftest import ApacheKafka

SURVIVOR, VICTIM = "a", "b"
TOPICS = Topics("soak")
_RETENTION_SECONDS = "120"
_CALL_SECONDS = 120.0


def settings(address: str, provider: str) -> dict[str, str]:
    """Return a worker's environment. Caches expire soon, so they are full early, and any later growth is a leak."""
    return {
        "CARTEIRO_BOOTSTRAP_SERVERS": address,
        "CARTEIRO_TOPIC_PREFIX": TOPICS.prefix,
        "CARTEIRO_DELIVERY": "exactly_once",
        "CARTEIRO_MODEL": "openai:gpt-4.1-mini",
        "CARTEIRO_EMBED_MODEL": "openai:text-embedding-3-small",
        "CARTEIRO_MODEL_TIMEOUT_SECONDS": "10",
        "CARTEIRO_IDEMPOTENCY_SECONDS": _RETENTION_SECONDS,
        "CARTEIRO_CACHE_SECONDS": _RETENTION_SECONDS,
        "CARTEIRO_CONVERSATION_TOKENS": "800",
        "CARTEIRO_LOG_LEVEL": "warning",
        "OPENAI_API_KEY": "sk-none",
        "OPENAI_BASE_URL": provider,
    }


async def soak(options: argparse.Namespace, kafka: ApacheKafka, record: SoakRecord) -> None:
    """Run the soak and fill the record."""
    seconds, tasks, meter = options.minutes * 60, find_tasks(), CallStats()
    await wait_for_broker(kafka.address)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    await admin.create_topics(required_topics(tasks, TOPICS, partitions=3, replication=1, batches=False))
    await admin.close()
    async with FaultyProvider(options.seed) as cloud:
        with WorkerFleet(settings(kafka.address, cloud.url), options.output / "logs") as workers:
            for name in (SURVIVOR, VICTIM):
                await workers.start(name)
            client = Carteiro(kafka.address, topic_prefix=TOPICS.prefix, timeout=_CALL_SECONDS)
            async with client, LagReader(kafka.address, tasks, TOPICS) as backlog:
                traffic, now = LoadGenerator(client, meter, options.seed), clock()
                faults = schedule(seconds, options.seed, SURVIVOR, [VICTIM])
                async with monitor(record, workers, backlog, meter, now), asyncio.TaskGroup() as group:
                    group.create_task(inject_faults(faults, record, workers, kafka, cloud, now))
                    await traffic.run(options.rate, seconds)
        record.asked, record.ended = traffic.sent_count, workers.ended
    requests, replies = Counter[str](), Counter[str]()
    for task in tasks:
        requests += await audit.count_by_correlation_id(kafka.address, TOPICS.requests(task.name), "read_committed")
        replies += await audit.count_by_correlation_id(kafka.address, TOPICS.replies(task.name), "read_committed")
    record.requests = requests.total()
    record.lost, record.doubled = lost_and_duplicate(requests, replies)


def clock() -> Callable[[], float]:
    """Return a function that returns the seconds since this call."""
    began = time.monotonic()
    return lambda: time.monotonic() - began


def main() -> int:
    """Run the soak, save its results, and return 1 if a criterion is broken."""
    parser = argument_parser("benchmarks.soak", __doc__)
    parser.add_argument("--minutes", type=float, default=30, help="how long requests are sent (default: 30)")
    parser.add_argument("--rate", type=float, default=20, help="requests a second, of all tasks (default: 20)")
    parser.add_argument("--seed", type=int, default=1, help="decides what is sent, and what goes wrong when")
    # The broker must be one that can be restarted, so no other address is accepted.
    parser.set_defaults(bootstrap=None)
    options = parse_arguments(parser, minutes=3)
    (options.output / "logs").mkdir(exist_ok=True)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    record = SoakRecord(survivor=f"{SURVIVOR} 1")
    try:
        with ApacheKafka().with_env("KAFKA_OPTS", "") as kafka:
            asyncio.run(soak(options, kafka, record))
    finally:
        (options.output / "soak.json").write_text(record.to_json())
    save(options, "soak", "Soak", ABOUT, tables(record), plot(record))
    return 1 if problems(record) else 0


if __name__ == "__main__":
    sys.exit(main())
