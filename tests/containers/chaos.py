"""Workers that are killed, stopped and continued, and a broker that restarts, while thousands of requests are answered.

`python -m tests.containers.chaos` (`make chaos`) runs it whole and prints what came of it.
"""

import argparse
import asyncio
import logging
import random
import sys
import time
from dataclasses import dataclass
from itertools import pairwise

from tests.broker.processes import WorkerProcess
from tests.conftest import eventually_true
from tests.containers import audit
from tests.containers.cluster import SESSION_SECONDS, Cluster
from tests.containers.conftest import ApacheKafka
from tests.containers.outcome import Event, Outcome
from tests.containers.traffic import Traffic
from tests.provider import ScriptedProvider
from tests.provider.completions import last_words

MODES = ("exactly_once", "at_least_once")
PROGRESS_SECONDS = 180.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run does. The seed decides which worker is hit when, and how long each request takes its model."""

    mode: str
    seed: int
    requests: int = 10_000
    workers: int = 3
    partitions: int = 6
    window: int = 64
    kills: int = 20
    pauses: int = 1
    broker_restarts: int = 1
    static: bool = False
    shortest: float = 0.05
    longest: float = 2.0

    def __str__(self) -> str:
        members = "static" if self.static else "dynamic"
        return (
            f"seed {self.seed}: {self.workers} workers ({members} members), {self.partitions} partitions,"
            f" window {self.window}, {self.shortest:g} to {self.longest:g} s of model time"
        )

    def events(self, chance: random.Random) -> list[tuple[int, Event]]:
        """What happens, each after so many replies: spread over the run, the broker's restarts in the middle."""
        kinds: list[Event] = ["kill"] * self.kills + ["pause"] * self.pauses
        chance.shuffle(kinds)
        kinds[len(kinds) // 2 : len(kinds) // 2] = ["broker"] * self.broker_restarts
        step = 0.9 * self.requests / (len(kinds) + 1)
        return [(int(step * (number + chance.uniform(0.6, 1.4))), kind) for number, kind in enumerate(kinds)]


async def run(kafka: ApacheKafka, provider: ScriptedProvider, plan: Plan) -> Outcome:
    """Carry the plan out, then stop the workers and count."""
    chance, began = random.Random(plan.seed), time.monotonic()
    outcome = Outcome(mode=plan.mode, plan=str(plan), wanted=plan.requests)
    name = f"chaos-{plan.mode}-{plan.seed}".replace("_", "-")
    cluster = Cluster(
        kafka.address,
        provider,
        name,
        mode=plan.mode,
        partitions=plan.partitions,
        window=plan.window,
        static=plan.static,
    )
    async with cluster, cluster.traffic() as traffic:
        await cluster.started(*map(str, range(plan.workers)))
        prompts = [
            f"{name} {number} wait={chance.uniform(plan.shortest, plan.longest):.3f}" for number in range(plan.requests)
        ]
        await traffic.send(prompts)
        await _disturb(kafka, cluster, traffic, plan, chance, outcome)
        await traffic.reached(plan.requests, PROGRESS_SECONDS)
        outcome.seconds = time.monotonic() - began
        await cluster.stop()
        await _count(cluster, traffic, outcome)
    return outcome


async def _disturb(
    kafka: ApacheKafka, cluster: Cluster, traffic: Traffic, plan: Plan, chance: random.Random, outcome: Outcome
) -> None:
    stopped: dict[str, asyncio.Task[None]] = {}
    for replies, event in plan.events(chance):
        if not await traffic.reached(replies, PROGRESS_SECONDS):
            break
        # Not always just after a reply: also in the middle of a rebalance, a start or a commit.
        await asyncio.sleep(chance.uniform(0.0, 1.5))
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
            stopped[victim] = asyncio.create_task(_continue(worker))
        outcome.allowed += plan.window * len(worker.partitions)
    await asyncio.gather(*stopped.values())


async def _continue(worker: WorkerProcess) -> None:
    """Late enough that the group has taken the worker for dead and given its partitions to others."""
    await asyncio.sleep(SESSION_SECONDS + 4)
    worker.resume()


async def _count(cluster: Cluster, traffic: Traffic, outcome: Outcome) -> None:
    requests, replies, dead = [
        await audit.records_by_correlation(cluster.address, topic, cluster.isolation_level) for topic in cluster.topics
    ]
    outcome.requests = requests.total()
    outcome.answered, outcome.doubled = len(replies), replies.total() - len(replies)
    outcome.lost = len(requests.keys() - replies.keys())
    outcome.not_ok = sum(not traffic.is_ok(each) for each in replies)
    outcome.dead = dead.total()
    outcome.calls = cluster.calls(traffic)
    prompts = set(traffic.prompts.values())
    outcome.cut_off = sum(call.abandoned and last_words(call.body) in prompts for call in cluster.provider.requests)
    times = sorted(record.timestamp for record in traffic.replies)
    outcome.silence = max((later - earlier for earlier, later in pairwise(times)), default=0) / 1000
    outcome.lag = sum((await cluster.lag()).values())


async def main(plans: list[Plan]) -> int:
    """Carry the plans out on a Kafka of their own; 1 where something is not as promised."""
    outcomes = []
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it has a line for each try of each connection
    with ApacheKafka() as kafka:
        async with ScriptedProvider() as provider:
            await eventually_true(kafka.answers)
            for plan in plans:
                print(f"seed {plan.seed}: {plan.mode}, {plan.requests:,} requests ...", flush=True)
                outcomes.append(await run(kafka, provider, plan))
                print(outcomes[-1], flush=True)
    return 1 if any(outcome.problems for outcome in outcomes) else 0


def plans() -> list[Plan]:
    """The plans of the command line."""
    parser = argparse.ArgumentParser(prog="tests.containers.chaos", description=__doc__)
    parser.add_argument("--mode", choices=["both", *MODES], default="both")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="decides who is hit when")
    parser.add_argument("--requests", type=int, default=Plan.requests)
    parser.add_argument("--workers", type=int, default=Plan.workers)
    parser.add_argument("--partitions", type=int, default=Plan.partitions)
    parser.add_argument("--window", type=int, default=Plan.window, help="requests in flight per partition")
    parser.add_argument("--kills", type=int, default=Plan.kills, help="of a random worker, with kill -9")
    parser.add_argument("--pauses", type=int, default=Plan.pauses, help="of a random worker, past its session timeout")
    parser.add_argument("--broker-restarts", type=int, default=Plan.broker_restarts)
    parser.add_argument("--static", action="store_true", help="workers that keep their place in the group")
    chosen = vars(parser.parse_args())
    mode = chosen.pop("mode")
    return [Plan(mode=each, **chosen) for each in (MODES if mode == "both" else [mode])]


if __name__ == "__main__":
    sys.exit(asyncio.run(main(plans())))
