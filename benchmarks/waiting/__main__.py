"""`python -m benchmarks.waiting`: a live stream alone, then beside requests that can wait, on Apache Kafka."""

import argparse
import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.broker import broker
from benchmarks.program import Process, program, ready, running
from benchmarks.results import Table, parse, parser, save
from benchmarks.waiting.memory import Memory
from benchmarks.waiting.report import ABOUT, plot, tables
from benchmarks.waiting.traffic import Counted, Traffic, answered, reading

PARTITIONS = 3
_START_SECONDS = 120.0
_PORTS = {"live": 18081, "waiting": 18082}


def settings(bootstrap: str, provider: str, prefix: str, count: int) -> dict[str, str]:
    """A worker's environment."""
    return {
        "CARTEIRO_BOOTSTRAP_SERVERS": bootstrap,
        "CARTEIRO_TOPIC_PREFIX": prefix,
        "CARTEIRO_GROUP": prefix,
        "CARTEIRO_GENERATE_MODEL": "openai:gpt-4.1-mini",
        "OPENAI_API_KEY": "sk-none",
        "OPENAI_BASE_URL": provider,
        "CARTEIRO_BATCHES": "true",
        "CARTEIRO_BATCH_GATHER_SECONDS": "20",
        "CARTEIRO_BATCH_POLL_SECONDS": "5",
        "CARTEIRO_BATCH_REQUESTS": str(min(count, 10_000)),
        "CARTEIRO_LOG_LEVEL": "warning",
    }


async def printed(process: Process) -> str:
    """The first line that a process prints."""
    async with asyncio.timeout(_START_SECONDS):
        while "\n" not in process.output:
            assert not process.ended, process.output
            await asyncio.sleep(0.1)
    return process.output.splitlines()[0]


@asynccontextmanager
async def traffic(bootstrap: str, prefix: str) -> AsyncIterator[Traffic]:
    """Makes the topics; what is sent is counted as it is answered."""
    requests, replies = f"{prefix}.generate.requests", f"{prefix}.generate.replies"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    names = [requests, replies, f"{prefix}.generate.waiting"]
    await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
    await admin.close()
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed")
    async with consumer, AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await reading(consumer, replies, PARTITIONS)
        made = Traffic(producer, requests, PARTITIONS)
        collecting = asyncio.create_task(made.collect(consumer))
        try:
            yield made
        finally:
            collecting.cancel()
            await asyncio.gather(collecting, return_exceptions=True)


async def measure(
    options: argparse.Namespace, bootstrap: str, live_provider: str, batch_provider: str
) -> tuple[list[Table], Memory]:
    """All of it."""
    prefix = f"bench-waiting-{os.getpid()}"
    said = settings(bootstrap, live_provider, prefix, options.count)
    faststream = [program("faststream"), "run"]
    async with traffic(bootstrap, prefix) as made:
        live = running(
            [*faststream, "services.generate.app:app"],
            said | {"CARTEIRO_HTTP_PORT": str(_PORTS["live"])},
            options.output / "live.log",
        )
        patient = running(
            [*options.yielding, *faststream, "services.waiting.app:app"],
            said | {"CARTEIRO_HTTP_PORT": str(_PORTS["waiting"]), "OPENAI_BASE_URL": batch_provider},
            options.output / "waiting.log",
        )
        with live as one, patient as other:
            await ready(one, _PORTS["live"])
            await ready(other, _PORTS["waiting"])
            warm, alone, beside, waiting = (Counted() for _ in range(4))
            await made.stream(warm, options.rate, 10)
            await answered(warm, 60)
            await made.stream(alone, options.rate, options.seconds / 2)
            await answered(alone, 60)
            memory = Memory({"worker, live": one.process.pid, "worker, waiting": other.process.pid})
            watching = asyncio.create_task(memory.watch())
            heap = asyncio.create_task(made.heap(waiting, options.count, options.count / options.seconds))
            await made.stream(beside, options.rate, options.seconds * 1.2)
            await heap
            await answered(beside, 60)
            await answered(waiting, options.seconds * 5 + 300)
            watching.cancel()
    assert not alone.errors + beside.errors + waiting.errors, "some replies are errors"
    return tables(alone, beside, waiting, memory), memory


async def main() -> None:
    made = parser("benchmarks.waiting", __doc__, kafka=True)
    made.add_argument("--count", type=int, default=6_000, help="requests that can wait (default: 6000)")
    made.add_argument("--rate", type=float, default=20, help="live requests a second (default: 20)")
    made.add_argument("--seconds", type=float, default=60, help="in which those that can wait are sent (default: 60)")
    made.add_argument(
        "--yielding",
        action="store_const",
        const=["nice", "-n", "19"],
        default=[],
        help="let the waiting service and its provider, which mostly have machines of their own, yield to all else",
    )
    options = parse(made, count=500, seconds=10)
    async with broker(options.bootstrap) as bootstrap:
        command = [program("python"), "-m", "benchmarks.waiting.provider"]
        # Two, since a provider that works off a batch does not keep its live calls waiting for it.
        with (
            running(command, {}, options.output / "live-provider.log") as live,
            running([*options.yielding, *command], {}, options.output / "batch-provider.log") as batches,
        ):
            found, memory = await measure(options, bootstrap, await printed(live), await printed(batches))
    save(options, "waiting", "Requests that can wait", ABOUT, found, plot(memory))


if __name__ == "__main__":
    asyncio.run(main())
