"""`python -m benchmarks.soak`: all six services on Apache Kafka under mixed load with faults, for a set time."""

import argparse
import asyncio
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable

from aiokafka.admin import AIOKafkaAdminClient

from benchmarks.broker import reach
from benchmarks.results import parse, parser, save
from benchmarks.soak.cloud import Cloud
from benchmarks.soak.disturbing import disturb
from benchmarks.soak.plot import plot
from benchmarks.soak.record import Record
from benchmarks.soak.report import ABOUT, tables
from benchmarks.soak.schedule import schedule
from benchmarks.soak.traffic import Meter, Traffic
from benchmarks.soak.verdict import lost_and_doubled, problems
from benchmarks.soak.watching import Backlog, watched
from benchmarks.soak.workers import Workers
from carteiro.client import Carteiro
from carteiro.wire.topics import Topics
from carteiro.worker.kafka.topic_list import needed_topics
from carteiro.worker.services import find_tasks
from tests.containers import audit
from tests.containers.conftest import ApacheKafka

SPARED, VICTIM = "a", "b"
NAMES = Topics("soak")
_KEPT_SECONDS = "120"
_CALL_SECONDS = 120.0


def settings(address: str, provider: str) -> dict[str, str]:
    """A worker's environment. What a worker keeps for a while by design it keeps so briefly that it is full soon:
    what grows after that is a leak."""
    return {
        "CARTEIRO_BOOTSTRAP_SERVERS": address,
        "CARTEIRO_TOPIC_PREFIX": NAMES.prefix,
        "CARTEIRO_DELIVERY": "exactly_once",
        "CARTEIRO_MODEL": "openai:gpt-4.1-mini",
        "CARTEIRO_MODEL_TIMEOUT_SECONDS": "10",
        "CARTEIRO_IDEMPOTENCY_SECONDS": _KEPT_SECONDS,
        "CARTEIRO_CACHE_SECONDS": _KEPT_SECONDS,
        "CARTEIRO_CONVERSATION_TOKENS": "800",
        "CARTEIRO_LOG_LEVEL": "warning",
        "OPENAI_API_KEY": "sk-none",
        "OPENAI_BASE_URL": provider,
    }


async def soak(options: argparse.Namespace, kafka: ApacheKafka, record: Record) -> None:
    """All of it, onto the record."""
    seconds, tasks, meter = options.minutes * 60, find_tasks(), Meter()
    await reach(kafka.address)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    await admin.create_topics(needed_topics(tasks, NAMES, partitions=3, replication=1, batches=False))
    await admin.close()
    async with Cloud(options.seed) as cloud:
        with Workers(settings(kafka.address, cloud.url), options.output / "logs") as workers:
            for name in (SPARED, VICTIM):
                await workers.start(name)
            client = Carteiro(kafka.address, topic_prefix=NAMES.prefix, timeout=_CALL_SECONDS)
            async with client, Backlog(kafka.address, tasks, NAMES) as backlog:
                traffic, now = Traffic(client, meter, options.seed), clock()
                faults = schedule(seconds, options.seed, SPARED, [VICTIM])
                async with watched(record, workers, backlog, meter, now), asyncio.TaskGroup() as group:
                    group.create_task(disturb(faults, record, workers, kafka, cloud, now))
                    await traffic.run(options.rate, seconds)
        record.asked, record.ended = traffic.asked, workers.ended
    requests, replies = Counter[str](), Counter[str]()
    for task in tasks:
        requests += await audit.records_by_correlation(kafka.address, NAMES.requests(task.name), "read_committed")
        replies += await audit.records_by_correlation(kafka.address, NAMES.replies(task.name), "read_committed")
    record.requests = requests.total()
    record.lost, record.doubled = lost_and_doubled(requests, replies)


def clock() -> Callable[[], float]:
    """Tells the seconds since now."""
    began = time.monotonic()
    return lambda: time.monotonic() - began


def main() -> int:
    """1 where something is not as promised."""
    made = parser("benchmarks.soak", __doc__)
    made.add_argument("--minutes", type=float, default=30, help="how long requests are sent (default: 30)")
    made.add_argument("--rate", type=float, default=20, help="requests a second, of all tasks (default: 20)")
    made.add_argument("--seed", type=int, default=1, help="decides what is sent, and what goes wrong when")
    # It is always one that can be restarted.
    made.set_defaults(bootstrap=None)
    options = parse(made, minutes=3)
    (options.output / "logs").mkdir(exist_ok=True)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    record = Record(spared=f"{SPARED} 1")
    try:
        with ApacheKafka() as kafka:
            asyncio.run(soak(options, kafka, record))
    finally:
        (options.output / "soak.json").write_text(record.to_json())
    save(options, "soak", "Soak", ABOUT, tables(record), plot(record))
    return 1 if problems(record) else 0


if __name__ == "__main__":
    sys.exit(main())
