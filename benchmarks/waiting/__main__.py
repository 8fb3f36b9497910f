"""`python -m benchmarks.waiting`: a live stream, first by itself, then next to deferrable requests, on Apache Kafka."""

import argparse
import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.broker import broker
from benchmarks.process import RunningProcess, program_path, run_process, wait_until_ready
from benchmarks.results import Table, argument_parser, parse_arguments, save
from benchmarks.waiting.memory import MemorySampler
from benchmarks.waiting.report import ABOUT, plot, tables
from benchmarks.waiting.traffic import ReplyStats, TrafficGenerator, assign_from_beginning, wait_until_answered

PARTITIONS = 3
_START_SECONDS = 120.0
_PORTS = {"live": 18081, "waiting": 18082}


def settings(bootstrap: str, provider: str, prefix: str, count: int) -> dict[str, str]:
    """Return a worker's environment."""
    return {
        "CARTEIRO_BOOTSTRAP_SERVERS": bootstrap,
        "CARTEIRO_TOPIC_PREFIX": prefix,
        "CARTEIRO_GROUP": prefix,
        "CARTEIRO_GENERATE_MODEL": "openai:gpt-4.1-mini",
        "OPENAI_API_KEY": "sk-none",
        "OPENAI_BASE_URL": provider,
        "CARTEIRO_BATCHES": "true",
        "CARTEIRO_BATCH_LINGER_SECONDS": "20",
        "CARTEIRO_BATCH_POLL_SECONDS": "5",
        "CARTEIRO_BATCH_REQUESTS": str(min(count, 10_000)),
        "CARTEIRO_LOG_LEVEL": "warning",
    }


async def first_line(process: RunningProcess) -> str:
    """Wait for the first line of a process's output, and return it."""
    async with asyncio.timeout(_START_SECONDS):
        while "\n" not in process.output:
            assert not process.has_exited, process.output
            await asyncio.sleep(0.1)
    return process.output.splitlines()[0]


@asynccontextmanager
async def open_traffic(bootstrap: str, prefix: str) -> AsyncIterator[TrafficGenerator]:
    """Create the topics, and yield a traffic generator that counts replies."""
    requests, replies = f"{prefix}.generate.requests", f"{prefix}.generate.replies"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    names = [requests, replies, f"{prefix}.generate.deferred"]
    await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
    await admin.close()
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed")
    async with consumer, AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await assign_from_beginning(consumer, replies, PARTITIONS)
        traffic = TrafficGenerator(producer, requests, PARTITIONS)
        collecting = asyncio.create_task(traffic.collect(consumer))
        try:
            yield traffic
        finally:
            collecting.cancel()
            await asyncio.gather(collecting, return_exceptions=True)


async def measure(
    options: argparse.Namespace, bootstrap: str, live_provider: str, batch_provider: str
) -> tuple[list[Table], MemorySampler]:
    """Run the measurement, and return its tables and memory samples."""
    prefix = f"bench-waiting-{os.getpid()}"
    environment = settings(bootstrap, live_provider, prefix, options.count)
    faststream = [program_path("faststream"), "run"]
    async with open_traffic(bootstrap, prefix) as traffic:
        live = run_process(
            [*faststream, "services.app:generate"],
            environment | {"CARTEIRO_HTTP_PORT": str(_PORTS["live"])},
            options.output / "live.log",
        )
        batch = run_process(
            [*faststream, "services.app:batch"],
            environment | {"CARTEIRO_HTTP_PORT": str(_PORTS["waiting"]), "OPENAI_BASE_URL": batch_provider},
            options.output / "waiting.log",
        )
        with live as one, batch as other:
            await wait_until_ready(one, _PORTS["live"])
            await wait_until_ready(other, _PORTS["waiting"])
            warm, baseline, loaded, deferred = (ReplyStats() for _ in range(4))
            await traffic.send_live(warm, options.rate, 10)
            await wait_until_answered(warm, 60)
            await traffic.send_live(baseline, options.rate, options.seconds / 2)
            await wait_until_answered(baseline, 60)
            memory = MemorySampler({"worker, live": one.process.pid, "worker, waiting": other.process.pid})
            watching = asyncio.create_task(memory.watch())
            heap = asyncio.create_task(
                traffic.send_deferrable(deferred, options.count, options.count / options.seconds)
            )
            await traffic.send_live(loaded, options.rate, options.seconds * 1.2)
            await heap
            await wait_until_answered(loaded, 60)
            await wait_until_answered(deferred, options.seconds * 5 + 300)
            watching.cancel()
    assert not baseline.errors + loaded.errors + deferred.errors, "some replies are errors"
    return tables(baseline, loaded, deferred, memory), memory


async def main() -> None:
    parser = argument_parser("benchmarks.waiting", __doc__, kafka=True)
    parser.add_argument("--count", type=int, default=6_000, help="deferrable requests (default: 6000)")
    parser.add_argument("--rate", type=float, default=20, help="live requests a second (default: 20)")
    parser.add_argument(
        "--seconds", type=float, default=60, help="seconds in which deferrable requests are sent (default: 60)"
    )
    options = parse_arguments(parser, count=500, seconds=10)
    async with broker(options.bootstrap) as bootstrap:
        command = [program_path("python"), "-m", "benchmarks.waiting.provider"]
        # A provider works off batches on machines of its own: here a second one does, only when a processor is idle.
        with (
            run_process(command, {}, options.output / "live-provider.log") as live,
            run_process(["chrt", "--idle", "0", *command], {}, options.output / "batch-provider.log") as batches,
        ):
            found, memory = await measure(options, bootstrap, await first_line(live), await first_line(batches))
    save(options, "waiting", "Requests that can wait", ABOUT, found, plot(memory))


if __name__ == "__main__":
    asyncio.run(main())
