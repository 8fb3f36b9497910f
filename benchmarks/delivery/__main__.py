"""Measure all contenders with all workloads, one after the other, and write the results."""

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import Iterable

from rich.console import Console

from benchmarks.broker import broker
from benchmarks.delivery.contender_config import ContenderConfig
from benchmarks.delivery.contenders import AT_LEAST_ONCE, CONTENDERS, EXACTLY_ONCE, RAW, Contender
from benchmarks.delivery.measurement import Measurement, TooFewReplies
from benchmarks.delivery.plot import plot
from benchmarks.delivery.processes import ContenderExited, provider
from benchmarks.delivery.report import ABOUT, progress_line, tables
from benchmarks.delivery.run import run
from benchmarks.delivery.workloads import MAX_IN_FLIGHT, WORKLOADS, Workload
from benchmarks.results import argument_parser, parse_arguments, save


def arguments() -> argparse.Namespace:
    names = [each.name for each in (*WORKLOADS, *CONTENDERS)]
    parser = argument_parser("benchmarks.delivery", __doc__, kafka=True)
    parser.epilog = "NAME is one of: " + ", ".join(map(repr, names))
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help="only these workloads or contenders")
    return parse_arguments(parser)


def pairs(names: list[str] | None) -> list[tuple[Workload, Contender]]:
    """Return what to measure. Names of workloads select workloads, names of contenders select contenders."""
    workloads = [each for each in WORKLOADS if names and each.name in names] or list(WORKLOADS)
    contenders = [each for each in CONTENDERS if names and each.name in names] or list(CONTENDERS)
    return [
        (workload, contender)
        for workload in workloads
        for contender in contenders
        if (workload.name == "zero" or not contender.as_shipped)
        if (workload.through_sdk or not contender.through_sdk)
        # The limits of the other contenders are fixed.
        if (workload.max_in_flight == MAX_IN_FLIGHT or contender in (RAW, AT_LEAST_ONCE, EXACTLY_ONCE))
    ]


def left_out(contenders: Iterable[Contender]) -> dict[str, str]:
    """Return the names of the contenders that cannot run on this machine, each with a line that says why."""
    missing = {each.name: each.missing_program() for each in contenders}
    return {
        name: f"{name}: left out, there is no {program} on the PATH" for name, program in missing.items() if program
    }


async def measure(
    workload: Workload, contender: Contender, bootstrap: str, number: int, options: argparse.Namespace
) -> Measurement:
    log = options.output / "logs" / f"{workload.name} {contender.name}.log"
    with provider(workload.latency) if workload.through_sdk else contextlib.nullcontext() as url:
        job = ContenderConfig(
            bootstrap=bootstrap,
            prefix=f"bench-{os.getpid()}-{number}",
            max_in_flight=workload.max_in_flight,
            latency=0 if workload.through_sdk else workload.latency,
            url=url,
            log_level="info" if contender.as_shipped else "warning",
            options=dict(contender.options),
        )
        try:
            return await run(
                workload, contender, job, log, workload.quick_seconds if options.quick else workload.seconds
            )
        except (ContenderExited, TimeoutError, TooFewReplies) as error:
            return Measurement(workload=workload.name, contender=contender.name, failure=str(error))


async def main() -> None:
    options = arguments()
    (options.output / "logs").mkdir(exist_ok=True)
    console = Console()
    everybody: list[Measurement] = []
    selected = pairs(options.only)
    absent = left_out(contender for _, contender in selected)
    for line in absent.values():
        console.print(line, highlight=False)
    selected = [(workload, contender) for workload, contender in selected if contender.name not in absent]
    if not selected:
        sys.exit("benchmarks.delivery: nothing to measure")
    async with broker(options.bootstrap) as bootstrap:
        for number, (workload, contender) in enumerate(selected):
            measured = await measure(workload, contender, bootstrap, number, options)
            everybody.append(measured)
            console.print(
                f"{workload.name:14} {contender.name:36} {progress_line(measured)}", highlight=False, soft_wrap=True
            )
    save(options, "delivery", "Delivery", ABOUT, tables(everybody), plot(everybody))
    if failed := [f"{each.contender} at {each.workload}" for each in everybody if each.failure]:
        sys.exit("benchmarks.delivery: no figures for " + ", ".join(failed))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
