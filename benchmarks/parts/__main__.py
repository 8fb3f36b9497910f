"""`python -m benchmarks.parts`: long texts whose parts are summarized at once, next to short ones, on Apache Kafka."""

import argparse
import asyncio
import os
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.broker import broker, temporary_topics
from benchmarks.parts.report import ABOUT, CALL_SECONDS, Times, plot, tables
from benchmarks.parts.traffic import TextTraffic
from benchmarks.process import program_path, run_process, wait_until_ready
from benchmarks.results import argument_parser, parse_arguments, save
from benchmarks.waiting.traffic import assign_from_beginning
from tests.provider import ScriptedProvider
from tests.provider.summaries import SummaryModel

_PARTITIONS = 3
_PORT = 18083
_LONG_TEXTS = 2
"""Long texts that are in work at any time, next to the short ones."""
_SETTINGS = {"no quota": {}, "10 calls a second": {"CARTEIRO_REQUESTS_PER_MINUTE": "600"}}


async def measure(options: argparse.Namespace, setting: str, bootstrap: str, provider: ScriptedProvider) -> Times:
    """Measure one setting, in topics and with a worker of its own."""
    prefix = f"bench-parts-{os.getpid()}-{list(_SETTINGS).index(setting)}"
    requests, replies = f"{prefix}.summarize.requests", f"{prefix}.summarize.replies"
    environment = _SETTINGS[setting] | {
        "CARTEIRO_BOOTSTRAP_SERVERS": bootstrap,
        "CARTEIRO_TOPIC_PREFIX": prefix,
        "CARTEIRO_GROUP": prefix,
        "CARTEIRO_MODEL": f"{provider.url}#summaries",
        "CARTEIRO_HTTP_PORT": str(_PORT),
        "CARTEIRO_LOG_LEVEL": "warning",
    }
    command, log = [program_path("faststream"), "run", "services.app:summarize"], options.output / "worker.log"
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed")
    async with temporary_topics(bootstrap, requests, replies, _PARTITIONS):
        with run_process(command, environment, log) as worker:
            async with consumer, AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
                await wait_until_ready(worker, _PORT)
                await assign_from_beginning(consumer, replies, _PARTITIONS)
                traffic = TextTraffic(producer, requests)
                async with asyncio.TaskGroup() as tasks:
                    collecting = tasks.create_task(traffic.collect(consumer))
                    times = await run_phases(options, setting, traffic)
                    collecting.cancel()
    return times


async def run_phases(options: argparse.Namespace, setting: str, traffic: TextTraffic) -> Times:
    """Send long texts, then short ones, then both at once."""

    def take_times() -> tuple[list[float], list[float]]:
        found = traffic.seconds["short"].copy(), traffic.seconds["long"].copy()
        for each in traffic.seconds.values():
            each.clear()
        return found

    await traffic.send_short(options.rate, 5)
    take_times()
    for _ in range(options.texts):
        await (await traffic.send("long")).wait()
    _, long_only = take_times()
    await traffic.send_short(options.rate, options.seconds)
    short_only, _ = take_times()
    streams = [asyncio.create_task(traffic.send_long()) for _ in range(_LONG_TEXTS)]
    await traffic.send_short(options.rate, options.seconds)
    for each in streams:
        each.cancel()
    short_mixed, long_mixed = take_times()
    return Times(setting, long_only, short_only, short_mixed, long_mixed)


async def main() -> None:
    parser = argument_parser("benchmarks.parts", __doc__, kafka=True)
    parser.add_argument("--rate", type=float, default=4, help="short texts a second (default: 4)")
    parser.add_argument("--seconds", type=float, default=60, help="seconds of each phase (default: 60)")
    parser.add_argument("--texts", type=int, default=5, help="long texts by themselves (default: 5)")
    options = parse_arguments(parser, seconds=10, texts=1)
    measured = []
    async with broker(options.bootstrap) as bootstrap, ScriptedProvider() as provider:
        provider.when("", SummaryModel(CALL_SECONDS))
        for setting in _SETTINGS:
            measured.append(await measure(options, setting, bootstrap, provider))
            print(f"{setting}: measured", file=sys.stderr, flush=True)
    save(options, "parts", "Long texts, their parts at once", ABOUT, tables(measured), plot(measured))


if __name__ == "__main__":
    asyncio.run(main())
