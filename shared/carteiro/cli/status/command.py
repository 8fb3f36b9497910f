"""`carteiro status`."""

import asyncio
import dataclasses
import sys
from typing import Annotated

import typer
from aiokafka import AIOKafkaConsumer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from carteiro.cli.json_lines import AsJson, print_json
from carteiro.cli.kafka import Kafka, settings, with_kafka
from carteiro.cli.status.workers import Counts, Workers, ask_workers
from carteiro.worker.observing.lag import lags
from carteiro.worker.services import find_tasks

_COLUMNS = ("task", "lag", "in flight", "ok", "errors", "tokens in", "tokens out", "USD", "dead letters", "waiting")


def status(
    workers: Annotated[
        str, typer.Option(help="Addresses of workers, separated by commas.", envvar="CARTEIRO_WORKERS")
    ] = "http://127.0.0.1:8080",
    once: Annotated[bool, typer.Option("--once", help="Print it once; so it is where there is no terminal.")] = False,
    every: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.2)] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Show what waits, runs and costs, by task: lag from Kafka, the rest from the workers, since they started.

    carteiro status
    carteiro status --once --workers http://chat:8080,http://answer:8080
    """
    urls = [url.strip() for url in workers.split(",") if url.strip()]

    async def work(kafka: Kafka) -> None:
        console = Console(markup=False)
        async with AIOKafkaConsumer(**kafka.options, enable_auto_commit=False) as consumer:
            if as_json:
                print_json(_plain(*await _look(kafka, consumer, urls)))
            elif once or not sys.stdout.isatty():
                console.print(_shown(*await _look(kafka, consumer, urls)))
            else:
                with Live(console=console, screen=False) as live:
                    while True:
                        live.update(_shown(*await _look(kafka, consumer, urls)))
                        await asyncio.sleep(every)

    with_kafka(settings(), work)


async def _look(kafka: Kafka, consumer: AIOKafkaConsumer, urls: list[str]) -> tuple[dict[str, int], Workers]:
    found, said = await asyncio.gather(lags(kafka.admin, consumer, find_tasks(), kafka.topics), ask_workers(urls))
    by_task: dict[str, int] = {}
    for (task, _), lag in found.items():
        by_task[task] = by_task.get(task, 0) + lag
    return by_task, said


def _tasks(lag: dict[str, int], said: Workers) -> list[tuple[str, int, Counts]]:
    names = [task.name for task in find_tasks() if task.name in lag or task.name in said.tasks]
    return [(name, lag.get(name, 0), said.tasks[name]) for name in names]


def _plain(lag: dict[str, int], said: Workers) -> dict[str, object]:
    tasks = {name: {"lag": waits} | dataclasses.asdict(counts) for name, waits, counts in _tasks(lag, said)}
    return {"tasks": tasks, "parked": sorted(said.parked), "silent": said.silent}


def _shown(lag: dict[str, int], said: Workers) -> Group:
    table = Table(box=None, pad_edge=False)
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column == "task" else "right")
    for name, waits, counts in _tasks(lag, said):
        numbers = (waits, counts.in_flight, counts.ok, counts.errors, counts.input_tokens, counts.output_tokens)
        late = (counts.dead_letters, counts.waiting)
        table.add_row(
            name, *(f"{each:,.0f}" for each in numbers), f"{counts.cost_usd:,.4f}", *(f"{each:,.0f}" for each in late)
        )
    lines = [Text(f"parked: {model}", "bold red") for model in sorted(said.parked)]
    lines += [Text(f"no worker answers at {url}", "yellow") for url in said.silent]
    return Group(table, *lines)
