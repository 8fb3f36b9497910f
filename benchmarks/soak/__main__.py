"""`python -m benchmarks.soak`: all six services on Apache Kafka under mixed load with faults, for a set time."""

import argparse
import asyncio
import logging
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil
from aiokafka.admin import AIOKafkaAdminClient

from benchmarks.__main__ import reach
from benchmarks.soak.cloud import Cloud
from benchmarks.soak.disturbing import disturb
from benchmarks.soak.plot import plot
from benchmarks.soak.record import Record
from benchmarks.soak.report import markdown
from benchmarks.soak.schedule import schedule
from benchmarks.soak.traffic import Meter, Traffic
from benchmarks.soak.verdict import lost_and_doubled, problems
from benchmarks.soak.watching import Backlog, watched
from benchmarks.soak.workers import Workers
from carteiro.client import Carteiro
from carteiro.wire.topics import Topics
from carteiro.worker.services import find_tasks
from carteiro.worker.topic_list import needed_topics
from tests.containers import audit
from tests.containers.conftest import IMAGE, ApacheKafka

FOLDER = Path(__file__).parent / "results"
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


def about(options: argparse.Namespace) -> dict[str, str]:
    memory = psutil.virtual_memory().total / 2**30
    given = f"--minutes {options.minutes:g} --rate {options.rate:g} --seed {options.seed}"
    packages = ("aiokafka", "faststream", "openai", "pydantic")
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": f"python -m benchmarks.soak {given}",
        "machine": f"{os.cpu_count()} processors, {memory:.0f} GiB, {platform.system()} {platform.machine()}",
        "load average before": f"{os.getloadavg()[0]:.1f}",
        "versions": ", ".join(
            [f"Python {platform.python_version()}", IMAGE, *(f"{name} {version(name)}" for name in packages)]
        ),
        "workers": "2 processes of all six services, exactly_once, 3 partitions for each task",
    }


def main() -> int:
    """1 where something is not as promised."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="how long requests are sent (default: 30)")
    parser.add_argument("--rate", type=float, default=20, help="requests a second, of all tasks (default: 20)")
    parser.add_argument("--seed", type=int, default=1, help="decides what is sent, and what goes wrong when")
    parser.add_argument("--output", type=Path, default=FOLDER, metavar="DIR", help=f"by default {FOLDER.name}/ here")
    parser.add_argument("--redraw", action="store_true", help="make table and plot anew from the last run's soak.json")
    options = parser.parse_args()
    kept = options.output / "soak.json"
    if options.redraw:
        record = Record.from_json(kept.read_text())
    else:
        (options.output / "logs").mkdir(parents=True, exist_ok=True)
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        record = Record(about=about(options), spared=f"{SPARED} 1")
        try:
            with ApacheKafka() as kafka:
                asyncio.run(soak(options, kafka, record))
        finally:
            kept.write_text(record.to_json())
    found = markdown(record)
    (options.output / "soak.md").write_text(found)
    plot(record, options.output / "soak.png")
    print(found)
    return 1 if problems(record) else 0


if __name__ == "__main__":
    sys.exit(main())
