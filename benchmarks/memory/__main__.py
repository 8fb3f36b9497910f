"""`python -m benchmarks.memory`: memory of workers with packaged models, after they have answered the examples."""

import asyncio
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.process import program_path, run_process, wait_until_ready
from benchmarks.results import Table, argument_parser, parse_arguments, save
from carteiro.cli.demo_run import Example, read_examples
from carteiro.cli.embedded import EmbeddedBroker
from carteiro.client import Carteiro
from carteiro.tasks.discovery import task_names
from tests.provider import Provider

_ABOUT = """\
Workers with packaged models, each in a process of its own, after all requests of `examples/` for their tasks, asked at
once and eight times. *Own*: memory that no other process has. *Files*: libraries and files of weights, which the
processes of a machine have together; the operating system may drop them. In MiB."""
_PORT = 18094
_ROUNDS = 8
_DTYPES = ("float32", "bfloat16")
_ALL, _CLOUD = "all tasks", "summarize, by a server"


async def measure(
    tasks: list[str], examples: list[Example], output: Path, settings: Mapping[str, str]
) -> tuple[float, float]:
    """Return a worker's own memory and that of files in MiB, after it has answered the examples (Linux)."""
    with EmbeddedBroker() as broker:
        settings = {
            **settings,
            "CARTEIRO_BOOTSTRAP_SERVERS": broker.address,
            "CARTEIRO_HTTP_PORT": str(_PORT),
            "CARTEIRO_LOG_LEVEL": "warning",
        }
        command, log = program_path("carteiro"), output / "worker.log"
        options = ["--partitions", "1", "--replication", "1"]
        creation = await asyncio.create_subprocess_exec(
            command, "topics", "create", *options, env=os.environ | settings, stdout=subprocess.DEVNULL
        )
        assert await creation.wait() == 0, "the topics were not created"
        with run_process([command, "worker", *tasks], settings, log) as worker:
            await wait_until_ready(worker, _PORT)
            async with Carteiro(broker.address, timeout=300) as carteiro:
                for _ in range(_ROUNDS):
                    await asyncio.gather(*(carteiro.ask(each.request) for each in examples))
            return read_memory(worker.process.pid)


def read_memory(pid: int) -> tuple[float, float]:
    """Return the anonymous memory of a process and its other resident memory in MiB (Linux)."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kib = {name: int(value) for name, value in re.findall(r"^(\w+): +(\d+) kB$", rollup, re.MULTILINE)}
    return kib["Anonymous"] / 1024, (kib["Rss"] - kib["Anonymous"]) / 1024


def plot(measured: Mapping[str, Sequence[tuple[float, float]]]) -> Figure:
    """Return a picture of the workers' own memory."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for number, dtype in enumerate(_DTYPES):
        places = [index + 0.4 * number for index in range(len(measured))]
        axes.barh(places, [by_dtype[number][0] for by_dtype in measured.values()], 0.4, label=dtype)
    axes.set_yticks([index + 0.2 for index in range(len(measured))], list(measured))
    axes.invert_yaxis()
    axes.set_xlabel("own memory, MiB")
    axes.legend()
    return figure


async def main() -> None:
    options = parse_arguments(argument_parser("benchmarks.memory", __doc__))
    examples = [each for each in read_examples(Path("examples")) if getattr(each.request, "collection", None) is None]
    workers = {name: [name] for name in task_names()} | {_ALL: list(task_names())}
    if options.quick:
        workers = {"embed": ["embed"]}
    measured: dict[str, list[tuple[float, float]]] = {}
    for name, tasks in workers.items():
        asked = [each for each in examples if each.name.partition("-")[0] in tasks]
        measured[name] = [
            await measure(tasks, asked, options.output, {"CARTEIRO_LOCAL_DTYPE": dtype}) for dtype in _DTYPES
        ]
    async with Provider() as provider:
        asked = [each for each in examples if each.name == "summarize"]
        cloud = await measure(["summarize"], asked, options.output, {"CARTEIRO_MODEL": f"{provider.url}#echo"})
    measured[_CLOUD] = [cloud] * len(_DTYPES)
    rows = [[name, *(f"{mib:.0f}" for pair in by_dtype for mib in pair)] for name, by_dtype in measured.items()]
    columns = [f"{kind}, {dtype}" for dtype in _DTYPES for kind in ("own", "files")]
    save(options, "memory", "Memory of workers", _ABOUT, [Table(["worker", *columns], rows)], plot(measured))


if __name__ == "__main__":
    asyncio.run(main())
