"""Workers that are killed, paused and resumed, and a broker that restarts, while thousands of requests are answered.

`python -m tests.containers.chaos` (`make chaos`) runs the whole and prints the outcome.
"""

import argparse
import asyncio
import logging
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.broker.worker_process import WorkerProcess
from tests.conftest import eventually_true
from tests.containers import audit
from tests.containers.chaos_report import ChaosReport, Event
from tests.containers.cluster import SESSION_SECONDS, Cluster
from tests.containers.conftest import ApacheKafka
from tests.containers.traffic import Traffic
from tests.provider import ScriptedProvider
from tests.provider.background import FakeResponse
from tests.provider.completions import last_words
from tests.provider.summaries import SummaryModel, is_summarized

MODES = ("exactly_once", "at_least_once")
TASKS = ("generate", "enrich", "summarize")
PARTS = 40
"""Parts of a text to summarize. Each is a call, and so is the summary of their summaries."""
PROGRESS_SECONDS = 180.0


@dataclass(frozen=True, kw_only=True)
class ChaosPlan:
    """Plan of a run. The seed decides the hit worker of each event, and the model time of each request."""

    mode: str
    seed: int
    task: str = "generate"
    """`enrich` for foreign events in place of requests, `summarize` for texts of 40 parts."""
    requests: int = 10_000
    workers: int = 3
    partitions: int = 6
    window: int = 64
    kills: int = 20
    pauses: int = 1
    broker_restarts: int = 1
    keys: int = 0
    """Number of the record keys whose order has to be kept; 0 if the records have no key."""
    static: bool = False
    journal: bool = True
    """False to make all calls of an interrupted request again."""
    background: bool = False
    """True to have the provider write the answers in the background."""
    shortest: float = 0.05
    longest: float = 2.0

    @property
    def spread_seconds(self) -> float:
        """Longest time from a reply to the event that follows it: that of a text with several rounds of calls, or less
        than that of a request with one.
        """
        return 2 * (self.shortest + self.longest) if self.task == "summarize" else 1.5

    def __str__(self) -> str:
        members = "static" if self.static else "dynamic"
        journal = "" if self.journal else " without a journal"
        journal += " in the background" if self.background else ""
        return (
            f"{self.task}{journal}, seed {self.seed}: {self.workers} workers ({members} members),"
            f" {self.partitions} partitions, window {self.window},"
            f" {self.shortest:g} to {self.longest:g} s of model time"
        )

    def events(self, chance: random.Random) -> list[tuple[int, Event]]:
        """Return the events, each with the number of replies that it follows. Broker restarts are in the middle."""
        kinds: list[Event] = ["kill"] * self.kills + ["pause"] * self.pauses
        chance.shuffle(kinds)
        kinds[len(kinds) // 2 : len(kinds) // 2] = ["broker"] * self.broker_restarts
        step = 0.9 * self.requests / (len(kinds) + 1)
        return [(int(step * (number + chance.uniform(0.6, 1.4))), kind) for number, kind in enumerate(kinds)]


async def run(kafka: ApacheKafka, provider: ScriptedProvider, plan: ChaosPlan) -> ChaosReport:
    """Run the plan, stop the workers, and return the report."""
    chance, began = random.Random(plan.seed), time.monotonic()
    outcome = ChaosReport(mode=plan.mode, plan=str(plan), requests_planned=plan.requests)
    seconds = 0.0 if plan.background else (plan.shortest + plan.longest) / 2
    summaries = SummaryModel(seconds) if plan.task == "summarize" else None
    if summaries is not None:
        outcome.steps = PARTS + 1
        provider.when("", summaries)
    provider.background.delete()
    background = _background_settings(provider) if plan.background else {}
    variant = "-background" * plan.background + "-no-journal" * (not plan.journal)
    name = f"chaos-{plan.task}-{plan.mode}-{plan.seed}{variant}".replace("_", "-")
    cluster = Cluster(
        kafka.address,
        provider,
        name,
        mode=plan.mode,
        task=plan.task,
        partitions=plan.partitions,
        max_in_flight=plan.window,
        static=plan.static,
        CARTEIRO_JOURNAL=str(plan.journal),
        **background,
    )
    async with cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait(*map(str, range(plan.workers)))
        prompts = [
            f"{name} {number} wait={chance.uniform(plan.shortest, plan.longest):.3f}" for number in range(plan.requests)
        ]
        await traffic.send(prompts, keys=plan.keys)
        await _inject_faults(kafka, cluster, traffic, plan, chance, outcome, summaries)
        await traffic.wait_for_replies(plan.requests, PROGRESS_SECONDS)
        outcome.seconds = time.monotonic() - began
        await cluster.stop()
        await _count_records(cluster, traffic, outcome)
    if summaries is not None:
        provider.clear("")
        outcome.calls = len(_background_calls(provider)) if plan.background else summaries.calls.total()
        outcome.cut_off = sum(call.abandoned for call in provider.requests)
    return outcome


async def _inject_faults(
    kafka: ApacheKafka,
    cluster: Cluster,
    traffic: Traffic,
    plan: ChaosPlan,
    chance: random.Random,
    outcome: ChaosReport,
    summaries: SummaryModel | None,
) -> None:
    stopped: dict[str, asyncio.Task[None]] = {}
    for replies, event in plan.events(chance):
        if not await traffic.wait_for_replies(replies, PROGRESS_SECONDS):
            break
        # Not always just after a reply: also during a rebalance, a start or a commit, and in any part of a text.
        await asyncio.sleep(chance.uniform(0.0, plan.spread_seconds))
        outcome.hits[event] += 1
        if event == "broker":
            await asyncio.to_thread(kafka.get_wrapped_container().restart, timeout=10)
            await eventually_true(kafka.answers)
            continue
        victim = chance.choice([name for name in cluster.workers if name not in stopped or stopped[name].done()])
        worker = cluster.workers[victim]
        if event == "kill":
            worker.kill()
            cluster.start(victim)
        else:
            worker.pause()
            stopped[victim] = asyncio.create_task(_resume_later(worker))
        outcome.max_interrupted += plan.window * len(worker.partitions)
        if plan.background:
            # An answer that was not yet asked for may be one whose id its worker has not yet written down.
            outcome.max_interrupted += sum(not each.looks for each in _background_calls(cluster.provider))
        elif summaries is not None:
            outcome.max_interrupted += summaries.in_flight
    await asyncio.gather(*stopped.values())


def _background_settings(provider: ScriptedProvider) -> dict[str, str]:
    return {
        "CARTEIRO_BACKGROUND": "true",
        "CARTEIRO_BACKGROUND_MIN_OUTPUT_TOKENS": "0",
        "CARTEIRO_MODEL": "openai:gpt-5-mini?api=responses",
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": provider.url,
    }


def _background_calls(provider: ScriptedProvider) -> list[FakeResponse]:
    """Return the answers that were begun, without those whose prompt is too long."""
    return [each for each in provider.background.created if is_summarized(last_words(each.body))]


async def _resume_later(worker: WorkerProcess) -> None:
    """Resume a worker after the group has taken it for dead and given its partitions to others."""
    await asyncio.sleep(SESSION_SECONDS + 4)
    worker.resume()


async def _count_records(cluster: Cluster, traffic: Traffic, outcome: ChaosReport) -> None:
    requests, replies, dead = [
        await audit.count_by_correlation_id(cluster.address, topic, cluster.isolation_level) for topic in cluster.topics
    ]
    outcome.requests = requests.total()
    outcome.answered, outcome.duplicates = len(replies), replies.total() - len(replies)
    outcome.lost = len(requests.keys() - replies.keys())
    outcome.not_ok = sum(not traffic.is_ok(each) for each in replies)
    outcome.dead_letters, outcome.overtaken = dead.total(), traffic.overtaken
    outcome.calls = cluster.calls(traffic)
    prompts = set(traffic.prompts.values())
    outcome.cut_off = sum(call.abandoned and last_words(call.body) in prompts for call in cluster.provider.requests)
    times = sorted(record.timestamp for record in traffic.replies)
    outcome.longest_silence = max((later - earlier for earlier, later in pairwise(times)), default=0) / 1000
    outcome.lag = sum((await cluster.lag()).values())


async def main(plans: list[ChaosPlan]) -> int:
    """Run the plans on a new Kafka. Return 1 if a promise is broken."""
    outcomes = []
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # It logs a line for each try of each connection.
    with ApacheKafka() as kafka:
        async with ScriptedProvider() as provider:
            await eventually_true(kafka.answers)
            for plan in plans:
                print(f"seed {plan.seed}: {plan.mode}, {plan.requests:,} requests ...", flush=True)
                outcomes.append(await run(kafka, provider, plan))
                print(outcomes[-1], flush=True)
    return 1 if any(outcome.problems for outcome in outcomes) else 0


def parse_plans() -> list[ChaosPlan]:
    """Parse the plans from the command line."""
    parser = argparse.ArgumentParser(prog="tests.containers.chaos", description=__doc__)
    parser.add_argument("--mode", choices=["both", *MODES], default="both")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="decides who is hit when")
    parser.add_argument("--requests", type=int, default=ChaosPlan.requests)
    parser.add_argument("--workers", type=int, default=ChaosPlan.workers)
    parser.add_argument("--partitions", type=int, default=ChaosPlan.partitions)
    parser.add_argument("--window", type=int, default=ChaosPlan.window, help="requests in flight per partition")
    parser.add_argument("--kills", type=int, default=ChaosPlan.kills, help="of a random worker, with kill -9")
    parser.add_argument(
        "--pauses", type=int, default=ChaosPlan.pauses, help="of a random worker, past its session timeout"
    )
    parser.add_argument("--broker-restarts", type=int, default=ChaosPlan.broker_restarts)
    parser.add_argument("--static", action="store_true", help="workers that keep their place in the group")
    parser.add_argument(
        "--task",
        choices=["all", *TASKS],
        default="all",
        help="requests to generate, events to enrich, or a hundredth as many texts of 40 parts to summarize",
    )
    parser.add_argument("--no-journal", dest="journal", action="store_false", help="make all calls again after a kill")
    parser.add_argument(
        "--background", action="store_true", help="have the provider write the answers of `summarize` in the background"
    )
    chosen = vars(parser.parse_args())
    mode, task = chosen.pop("mode"), chosen.pop("task")
    pairs = [(each, task) for each in MODES] if task in TASKS else _PAIRS_OF_ALL
    return [
        ChaosPlan(mode=each, task=its_task, **chosen | _OF_TASK.get(its_task, lambda _: {})(chosen))
        for each, its_task in pairs
        if mode in ("both", each)
    ]


_PAIRS_OF_ALL = [(MODES[0], TASKS[0]), (MODES[1], TASKS[0]), (MODES[0], TASKS[1]), (MODES[0], TASKS[2])]
"""Modes and tasks that run if no task is chosen."""

_OF_TASK: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "enrich": lambda _: {"keys": 1000},
    "summarize": lambda chosen: {"requests": max(chosen["requests"] // 100, 1), "window": 4},
}
"""Fields of the plan that depend on the task."""


if __name__ == "__main__":
    sys.exit(asyncio.run(main(parse_plans())))
