"""`python -m benchmarks.repeated_calls`: summaries of 40 parts whose workers are killed, with a peer."""

import asyncio
import dataclasses
from typing import Any

from benchmarks.broker import wait_for_broker
from benchmarks.repeated_calls.dbos_peer import run_dbos
from benchmarks.repeated_calls.outcome import ABOUT, RunCalls, plot, table
from benchmarks.results import argument_parser, parse_arguments, save
from tests.containers.chaos import PARTS, ChaosPlan, run
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider

_CONTENDERS: dict[str, dict[str, Any]] = {
    "carteiro exactly_once": {},
    "carteiro at_least_once": {"mode": "at_least_once"},
    "carteiro, calls in the background": {"background": True},
    "carteiro without the journal": {"journal": False},
}


async def run_carteiro(kafka: ApacheKafka, provider: ScriptedProvider, name: str, plan: ChaosPlan) -> RunCalls:
    """Run a plan. Raise `SystemExit` if a promise is broken."""
    seen = len(provider.requests)
    report = await run(kafka, provider, plan)
    if plan.journal and report.problems:
        raise SystemExit(f"{name}: {report.problems}")
    cut_off = 0 if plan.background else sum(call.abandoned for call in provider.requests[seen:])
    return RunCalls(name, report.requests * (PARTS + 1), report.calls, cut_off, report.hits["kill"], report.seconds)


async def main() -> None:
    parser = argument_parser("benchmarks.repeated_calls", __doc__, kafka=False)
    parser.add_argument("--texts", type=int, default=24, help="texts to summarize (default: 24)")
    parser.add_argument("--kills", type=int, default=8, help="of a random worker, with kill -9 (default: 8)")
    parser.add_argument("--seed", type=int, default=7, help="decides who is killed when")
    options = parse_arguments(parser, texts=6, kills=1)
    plan = ChaosPlan(
        mode="exactly_once",
        seed=options.seed,
        task="summarize",
        requests=options.texts,
        window=1,
        kills=options.kills,
        pauses=0,
        broker_restarts=0,
    )
    outcomes: list[RunCalls] = []
    with ApacheKafka() as kafka:
        await wait_for_broker(kafka.address)
        for name, changes in _CONTENDERS.items():
            async with ScriptedProvider() as provider:
                outcomes.append(await run_carteiro(kafka, provider, name, dataclasses.replace(plan, **changes)))
                print(outcomes[-1], flush=True)
    async with ScriptedProvider() as provider:
        outcomes.append(await run_dbos(provider, plan, options.output))
        print(outcomes[-1], flush=True)
    save(options, "repeated_calls", "Calls repeated after kills", ABOUT, [table(outcomes)], plot(outcomes))


if __name__ == "__main__":
    asyncio.run(main())
