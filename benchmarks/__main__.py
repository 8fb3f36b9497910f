"""Measure all contenders at all workloads, one after the other, and write what came of it."""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import logging
import os
import platform
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from benchmarks.contenders import CONTENDERS, Contender
from benchmarks.job import Job
from benchmarks.measuring import Measurement, TooFew
from benchmarks.processes import Ended, provider
from benchmarks.report import line, markdown, show
from benchmarks.running import run
from benchmarks.workloads import WINDOW, WORKLOADS, Workload
from carteiro.worker.kafka.reaching import why_unreachable

_FOLDER = Path(__file__).parent / "results"
_KAFKA_SECONDS = 120.0


def arguments() -> argparse.Namespace:
    names = [each.name for each in (*WORKLOADS, *CONTENDERS)]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, epilog="NAME is one of: " + ", ".join(map(repr, names))
    )
    parser.add_argument("--quick", action="store_true", help="a few seconds each, to see that everything runs")
    parser.add_argument(
        "--only", nargs="+", choices=names, metavar="NAME", help="these workloads, or contenders, alone"
    )
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="a Kafka that is there; by default one is started")
    parser.add_argument("--output", type=Path, default=_FOLDER, metavar="DIR", help=f"by default {_FOLDER.name}/ here")
    return parser.parse_args()


def pairs(only: list[str] | None) -> list[tuple[Workload, Contender]]:
    """What is to be measured. Names of workloads narrow the workloads, names of contenders the contenders."""
    workloads = [each for each in WORKLOADS if only and each.name in only] or list(WORKLOADS)
    contenders = [each for each in CONTENDERS if only and each.name in only] or list(CONTENDERS)
    return [
        (workload, contender)
        for workload in workloads
        for contender in contenders
        if workload.name.startswith("zero") or not contender.as_shipped
    ]


@contextlib.contextmanager
def kafka(bootstrap: str | None) -> Iterator[str]:
    if bootstrap:
        yield bootstrap
        return
    from tests.containers.conftest import ApacheKafka

    with ApacheKafka() as running:
        yield running.address


async def reach(bootstrap: str) -> None:
    """Return once the broker answers. Raises `SystemExit` after a while."""
    give_up = time.monotonic() + _KAFKA_SECONDS
    while reason := await why_unreachable({"bootstrap_servers": [bootstrap], "security_protocol": "PLAINTEXT"}):
        if time.monotonic() > give_up:
            sys.exit(f"benchmarks: no Kafka at {bootstrap}: {reason}")
        await asyncio.sleep(0.5)


async def measure(
    workload: Workload, contender: Contender, bootstrap: str, number: int, options: argparse.Namespace
) -> Measurement:
    log = options.output / "logs" / f"{workload.name} {contender.name}.log"
    with provider(workload.latency) if workload.through_sdk else contextlib.nullcontext() as url:
        job = Job(
            bootstrap=bootstrap,
            prefix=f"bench-{os.getpid()}-{number}",
            window=WINDOW,
            latency=0 if workload.through_sdk else workload.latency,
            url=url,
            log_level="info" if contender.as_shipped else "warning",
            options=dict(contender.options),
        )
        try:
            return await run(
                workload, contender, job, log, workload.quick_seconds if options.quick else workload.seconds
            )
        except (Ended, TimeoutError, TooFew) as error:
            return Measurement(workload=workload.name, contender=contender.name, failure=str(error))


async def main() -> None:
    options = arguments()
    (options.output / "logs").mkdir(parents=True, exist_ok=True)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    console = Console()
    everybody: list[Measurement] = []
    load = os.getloadavg()[0]
    with kafka(options.bootstrap) as bootstrap:
        await reach(bootstrap)
        for number, (workload, contender) in enumerate(pairs(options.only)):
            measured = await measure(workload, contender, bootstrap, number, options)
            everybody.append(measured)
            console.print(f"{workload.name:14} {contender.name:36} {line(measured)}", highlight=False, soft_wrap=True)
    write(everybody, options, load)
    show(console, everybody)


def write(everybody: list[Measurement], options: argparse.Namespace, load: float) -> None:
    about = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": options.quick,
        "python": platform.python_version(),
        "machine": f"{os.cpu_count()} processors, {platform.system()} {platform.machine()}",
        "load average before": round(load, 1),
        **{name: version(name) for name in ("aiokafka", "faststream", "openai")},
    }
    results = {"about": about, "measurements": [dataclasses.asdict(each) for each in everybody]}
    (options.output / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    said = ", ".join(f"{name} {value}" for name, value in about.items())
    (options.output / "results.md").write_text(markdown(everybody, said))
    try:
        from benchmarks.plot import plot
    except ModuleNotFoundError:
        print("benchmarks: no plot without matplotlib: pip install --group bench", file=sys.stderr)
        return
    plot(everybody, options.output / "results.png")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
