"""Hostile records sent to whole workers, with well-behaved requests next to them.

`python -m tests.containers.fuzz` (`make fuzz`) runs it and prints the figures.
"""

import argparse
import asyncio
import json
import logging
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from aiohttp import web
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.conftest import eventually_true
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.containers.fuzz_report import FuzzLimits, FuzzReport
from tests.containers.fuzz_service import LATENESS_BUCKETS, PARTITIONS, FuzzedService, Pace, RawProducer, ReplyCounter
from tests.containers.hostile_records import HostileBatchGenerator
from tests.containers.hostile_requests import FORBIDDEN, READABLE
from tests.provider import ScriptedProvider
from tests.provider.completions import Json, answer

TASKS = ("generate", "chat")
_PREFIX = "fuzz"
_OWN_TOPIC_SUFFIXES = ("requests", "replies", "dead", "conversations", "deferred", "batches", "journal")
"""Last parts of the names of the services' own topics."""
_TOPIC_DELETED_DURING, _TOPIC_DELETED_BEFORE = "callers.doomed", "callers.deleted"
"""Callers' topics that are deleted during the run and before it."""
_CALLER_TOPICS: dict[str, dict[str, str]] = {
    "callers.answers": {},
    "callers.compacted": {"cleanup.policy": "compact"},
    "callers.small": {"max.message.bytes": "500"},
    _TOPIC_DELETED_DURING: {},
}


@dataclass(frozen=True, kw_only=True)
class FuzzPlan:
    """Plan of a run. It ends after `seconds` or after `records` hostile records. `seed` sets the records."""

    seed: int
    seconds: float | None = 60.0
    records: int | None = None
    rate: float = 30.0
    """Hostile records a second for each service. The rate is below a worker's throughput, since the test measures harm
    and not the length of a queue."""
    outstanding: int = 300
    """Largest number of hostile records of a service without a reply."""
    prioritizes_workers: bool = False
    """True if this process, and its container, may be slowed down for the workers."""
    without: frozenset[str] = frozenset()
    limits: FuzzLimits = field(default_factory=FuzzLimits)

    def __str__(self) -> str:
        without = f", without {', '.join(sorted(self.without))}" if self.without else ""
        workers = f"{' and '.join(TASKS)}, a worker each, {PARTITIONS} partitions, exactly_once"
        return f"seed {self.seed}: {workers}, {self.rate:g} hostile records a second each{without}"


class CountingProvider(ScriptedProvider):
    """Provider that echoes prompts, and counts the calls that should not have been made."""

    def __init__(self) -> None:
        super().__init__()
        self.forbidden = 0

    async def _answer(self, request: web.Request, body: Json) -> web.StreamResponse:
        self.forbidden += FORBIDDEN in json.dumps(body)
        self.requests.clear()
        self.calls.clear()
        if "response_format" in body and not body.get("stream"):
            return web.json_response(answer(body, "{}"))
        return await super()._answer(request, body)


async def run(kafka: ApacheKafka, plan: FuzzPlan) -> FuzzReport:
    """Run the plan and return the report."""
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(CountingProvider())
        clusters = [await stack.enter_async_context(_cluster(kafka, model, task)) for task in TASKS]
        admin = await stack.enter_async_context(_admin(kafka.address))
        await _prepare(admin, clusters)
        topics = [*(each.topics[1] for each in clusters), *(_CALLER_TOPICS.keys() - {_TOPIC_DELETED_DURING})]
        replies = await stack.enter_async_context(ReplyCounter(kafka.address, topics))
        # A consumer of a deleted topic creates it again.
        doomed = await stack.enter_async_context(AsyncExitStack())
        await doomed.enter_async_context(ReplyCounter(kafka.address, [_TOPIC_DELETED_DURING], shared=replies))
        raw = await stack.enter_async_context(RawProducer(kafka.address))
        names = [*_CALLER_TOPICS, _TOPIC_DELETED_BEFORE, "__consumer_offsets", "__transaction_state"]
        names += [f"{_PREFIX}.{task}.{each}" for task in TASKS for each in _OWN_TOPIC_SUFFIXES]
        services = []
        for cluster in clusters:
            hostile = HostileBatchGenerator(cluster.task, plan.seed, map(str.encode, names), plan.without)
            services.append(FuzzedService(cluster, await cluster.start_and_wait("a"), replies, hostile))
            await cluster.wait_until_assigned()
        if plan.prioritizes_workers:
            _prioritize(services)
        outcome = FuzzReport(plan=str(plan), limits=plan.limits, services=[each.report for each in services])
        good = AIOKafkaProducer(bootstrap_servers=kafka.address)
        await good.start()
        stack.push_async_callback(good.stop)
        await asyncio.gather(*(service.measure_baseline(good) for service in services))
        before = set(await admin.list_topics())
        await _attack(plan, services, raw, good, partial(_delete, admin, doomed), outcome)
        for service in services:
            await service.fill_report()
        await replies.read_all()
        outcome.duplicates = sum(count - 1 for count in replies.counts.values())
        outcome.forbidden_calls = model.forbidden
        # A deleted topic must not be created again either.
        outcome.new_topics = sorted(set(await admin.list_topics()) - (before - {_TOPIC_DELETED_DURING}))
        for cluster in clusters:
            if not cluster.workers["a"].has_exited():
                await cluster.stop()
    return outcome


def _prioritize(services: list[FuzzedService]) -> None:
    """Give the workers a higher priority: they are measured, not the clients and the provider in this process."""
    os.nice(5)
    with suppress(OSError):  # This needs root.
        for service in services:
            os.setpriority(os.PRIO_PROCESS, service.worker.process.pid, -10)
        # Linux shares processors between sessions first, and Kafka's container is in another session.
        Path("/proc/self/autogroup").write_text("-10")


async def _attack(
    plan: FuzzPlan,
    services: list[FuzzedService],
    raw: RawProducer,
    good: AIOKafkaProducer,
    between: Callable[[], Awaitable[None]],
    outcome: FuzzReport,
) -> None:
    """Send hostile records in two halves, and well-behaved requests all the time. Run `between` between them, when
    no hostile record is in flight."""
    began = time.monotonic()
    halves = [(plan.seconds or 1e9) / 2, plan.seconds or 1e9]
    records = [(plan.records or 1e12) / len(TASKS) / 2, (plan.records or 1e12) / len(TASKS)]
    async with asyncio.TaskGroup() as background:
        beside = [background.create_task(_measure_own_lag(outcome))]
        for service in services:
            beside += [
                background.create_task(service.send_well_behaved(good)),
                background.create_task(service.watch_memory()),
            ]
        for number, (seconds, most) in enumerate(zip(halves, records, strict=True)):
            attacks = [each.attack(raw, Pace(plan.rate, plan.outstanding, most, began + seconds)) for each in services]
            await asyncio.gather(*attacks)
            await asyncio.gather(*(each.wait_until_answered() for each in services))
            if number == 0:
                await between()
        outcome.seconds = time.monotonic() - began
        for task in beside:
            task.cancel()
    await asyncio.gather(*(each.wait_until_answered() for each in services))


async def _delete(admin: AIOKafkaAdminClient, readers: AsyncExitStack) -> None:
    """Delete a topic to which no reply is in flight. The workers notice it from the requests that follow."""
    await readers.aclose()
    await admin.delete_topics([_TOPIC_DELETED_DURING])


async def _measure_own_lag(outcome: FuzzReport) -> None:
    """Record the delay of this program's own event loop until cancelled."""
    while True:
        due = time.monotonic() + 0.05
        await asyncio.sleep(0.05)
        outcome.own_lag = max(outcome.own_lag, time.monotonic() - due)


@asynccontextmanager
async def _admin(address: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


def _cluster(kafka: ApacheKafka, model: CountingProvider, task: str) -> Cluster:
    # The services share a prefix, so a request to one of them can name the other's topics.
    cluster = Cluster(
        kafka.address,
        model,
        _PREFIX,
        task=task,
        partitions=PARTITIONS,
        CARTEIRO_GROUP=f"{_PREFIX}-{task}",
        CARTEIRO_REFERENCES=READABLE,
    )
    cluster.group = f"{_PREFIX}-{task}"
    return cluster


async def _prepare(admin: AIOKafkaAdminClient, clusters: list[Cluster]) -> None:
    """Create the callers' topics, and let request topics accept any timestamp."""
    topics = [NewTopic(name, PARTITIONS, 1, topic_configs=configs) for name, configs in _CALLER_TOPICS.items()]
    await admin.create_topics([*topics, NewTopic(_TOPIC_DELETED_BEFORE, 1, 1)])
    await admin.delete_topics([_TOPIC_DELETED_BEFORE])
    configs = {
        "message.timestamp.after.max.ms": str(2**63 - 1),
        "message.timestamp.before.max.ms": str(2**63 - 1),
        "retention.ms": "-1",
    }
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, each.topics[0], configs) for each in clusters])


async def main(plan: FuzzPlan) -> int:
    """Run the plan on a new Kafka. Return 1 if a promise is broken."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with ApacheKafka() as kafka:
        await eventually_true(kafka.answers)
        print(f"{plan} ...", flush=True)
        outcome = await run(kafka, plan)
    print(outcome, flush=True)
    return 1 if outcome.problems else 0


def parse_plan() -> FuzzPlan:
    """Parse the plan from the command line."""
    parser = argparse.ArgumentParser(prog="tests.containers.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, help="how long to send (default: 60, without limit with --records)")
    parser.add_argument("--records", type=int, help="how many hostile records to send")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="decides what is sent")
    parser.add_argument("--rate", type=float, default=FuzzPlan.rate, help="hostile records a second for each service")
    parser.add_argument("--outstanding", type=int, default=FuzzPlan.outstanding, help="hostile records without a reply")
    parser.add_argument("--without", action="append", default=[], help="a family of records to leave out")
    parser.add_argument("--answer-seconds", type=float, default=FuzzLimits.answer_seconds, help="limit of each answer")
    parser.add_argument(
        "--lag-seconds", type=float, choices=LATENESS_BUCKETS, default=FuzzLimits.lag_seconds, help="limit of the loop"
    )
    parser.add_argument("--memory-mib", type=float, default=FuzzLimits.memory_mib, help="limit of a worker's memory")
    chosen = parser.parse_args()
    return FuzzPlan(
        seed=chosen.seed,
        seconds=chosen.seconds or (None if chosen.records else 60.0),
        records=chosen.records,
        rate=chosen.rate,
        outstanding=chosen.outstanding,
        prioritizes_workers=True,
        without=frozenset(chosen.without),
        limits=FuzzLimits(
            answer_seconds=chosen.answer_seconds, lag_seconds=chosen.lag_seconds, memory_mib=chosen.memory_mib
        ),
    )


if __name__ == "__main__":
    sys.exit(asyncio.run(main(parse_plan())))
