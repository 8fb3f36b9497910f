"""Measure all contenders with both models on one broker, and the mapping, one after the other."""

import argparse
import asyncio
import contextlib
import os
import sys

from benchmarks.broker import broker
from benchmarks.delivery.contender_config import ContenderConfig
from benchmarks.delivery.contenders import Contender
from benchmarks.delivery.measurement import Measurement, TooFewReplies
from benchmarks.delivery.processes import ContenderExited
from benchmarks.delivery.report import progress_line
from benchmarks.delivery.run import run
from benchmarks.delivery.workloads import MAX_IN_FLIGHT, Workload
from benchmarks.enrichment.contenders import CONTENDERS, WORKLOADS
from benchmarks.enrichment.mapping import measure_mapping
from benchmarks.enrichment.report import ABOUT, plot, tables
from benchmarks.results import argument_parser, parse_arguments, save


async def measure(
    workload: Workload, contender: Contender, bootstrap: str, number: int, options: argparse.Namespace
) -> Measurement:
    job = ContenderConfig(
        bootstrap=bootstrap,
        prefix=f"bench-enrich-{os.getpid()}-{number}",
        max_in_flight=MAX_IN_FLIGHT,
        latency=workload.latency,
        url=None,
        log_level="warning",
        options=dict(contender.options),
    )
    log = options.output / "logs" / f"{workload.name} {contender.name}.log"
    try:
        return await run(workload, contender, job, log, workload.quick_seconds if options.quick else workload.seconds)
    except (ContenderExited, TimeoutError, TooFewReplies) as error:
        return Measurement(workload=workload.name, contender=contender.name, failure=str(error))


async def main() -> None:
    options = parse_arguments(argument_parser("benchmarks.enrichment", __doc__, kafka=True))
    (options.output / "logs").mkdir(exist_ok=True)
    costs = [cost async for cost in measure_mapping(1.0 if options.quick else 5.0)]
    measured: list[Measurement] = []
    async with broker(options.bootstrap) as bootstrap:
        for workload in WORKLOADS:
            for contender in CONTENDERS:
                measured.append(await measure(workload, contender, bootstrap, len(measured), options))
                print(f"{workload.name:12} {contender.name:40} {progress_line(measured[-1])}", flush=True)
    save(options, "enrichment", "Enrichment", ABOUT, tables(measured, costs), plot(measured, costs))
    if failed := [f"{each.contender} at {each.workload}" for each in measured if each.failure]:
        sys.exit("benchmarks.enrichment: no figures for " + ", ".join(failed))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
