"""Table of the tasks: waiting requests, running requests and costs."""

import asyncio
import dataclasses
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from carteiro.cli.json_lines import print_json
from carteiro.cli.kafka import KafkaSession, read_kafka_settings, with_kafka
from carteiro.cli.status.worker_metrics import TaskCounts, WorkerMetrics, scrape_workers
from carteiro.index.collection_source import SERVED_PREFIX, served_topics
from carteiro.kafka.lag import partition_lags
from carteiro.tasks.discovery import task_names

if TYPE_CHECKING:
    from rich.console import RenderableType

UNKNOWN = "–"
_UNLIMITED_WIDTH = 1000
_COLUMNS = {
    "in flight": "in_flight",
    "ok": "ok",
    "errors": "errors",
    "tokens in": "input_tokens",
    "tokens out": "output_tokens",
    "USD": "cost_usd",
    "dead letters": "dead_letters",
    "waiting": "waiting",
}
"""Columns after the lag, and the field of `TaskCounts` that each shows."""


def show_status(urls: Sequence[str], *, once: bool, interval: float, as_json: bool) -> None:
    """Print the table; on a terminal again and again, every `interval` seconds. `urls` are the workers'."""

    async def work(kafka: KafkaSession) -> None:
        # Output without a terminal has no width, and must not be cut.
        console = Console(markup=False, emoji=False, width=None if sys.stdout.isatty() else _UNLIMITED_WIDTH)
        async with AIOKafkaConsumer(**kafka.options, enable_auto_commit=False) as consumer:
            if as_json:
                print_json(_json_object(*await _collect(kafka, consumer, urls)))
            elif once or not sys.stdout.isatty():
                console.print(render_table(*await _collect(kafka, consumer, urls)))
            else:
                from rich.live import Live

                with Live(console=console, screen=False) as live:
                    while True:
                        live.update(render_table(*await _collect(kafka, consumer, urls)))
                        await asyncio.sleep(interval)

    with_kafka(read_kafka_settings(), work)


async def _collect(
    kafka: KafkaSession, consumer: AIOKafkaConsumer, urls: Sequence[str]
) -> tuple[dict[str, int], WorkerMetrics]:
    more = _collections(kafka)
    found, said = await asyncio.gather(
        partition_lags(kafka.admin, consumer, task_names(), kafka.topics, more=more), scrape_workers(urls)
    )
    by_task: dict[str, int] = {}
    for (task, _), lag in found.items():
        by_task[task] = by_task.get(task, 0) + lag
    return by_task, said


def _collections(kafka: KafkaSession) -> dict[str, str]:
    """Return the topics of collections, by their names among the tasks: those that exist, and those of the settings."""
    before, after = kafka.topics.documents(SERVED_PREFIX).split(SERVED_PREFIX)
    names = [name.removeprefix(before).removesuffix(after) for name in kafka.existing if name.endswith(after)]
    own = {name: kafka.topics.documents(name) for name in names if name.startswith(SERVED_PREFIX)}
    return own | served_topics(os.environ.get("CARTEIRO_COLLECTIONS"), kafka.topics)


def _task_rows(lag: dict[str, int], metrics: WorkerMetrics) -> list[tuple[str, int | None, TaskCounts]]:
    tasks = task_names()
    names = [name for name in tasks if name in lag or name in metrics.tasks]
    # Collections, and enrichments, whose lag only their workers know.
    names += sorted({*metrics.tasks, *lag} - set(tasks))
    return [(name, lag.get(name), metrics.tasks.get(name, TaskCounts())) for name in names]


def _json_object(lag: dict[str, int], metrics: WorkerMetrics) -> dict[str, object]:
    tasks = {name: {"lag": waits} | dataclasses.asdict(counts) for name, waits, counts in _task_rows(lag, metrics)}
    return {"tasks": tasks, "circuit_open": sorted(metrics.open_circuits), "silent": metrics.unreachable}


def render_table(lag: dict[str, int], metrics: WorkerMetrics) -> "RenderableType":
    """Return the table. A name is never cut, and an unknown value is a dash."""
    tasks = _task_rows(lag, metrics)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    longest = max((len(name) for name, *_ in tasks), default=0)
    table.add_column("task", min_width=longest, overflow="fold")
    for column in ("lag", *_COLUMNS):
        # One word a line: the table fits into 80 columns.
        table.add_column(column.replace(" ", "\n"), justify="right", overflow="fold")
    for name, waits, counts in tasks:
        cells = (_cell(column, getattr(counts, field)) for column, field in _COLUMNS.items())
        table.add_row(name, _cell("lag", waits), *cells)
    lines = [Text(f"circuit open: {model}", "bold red") for model in sorted(metrics.open_circuits)]
    lines += [
        Text(f"no worker answers at {url}; --workers says where they are", "yellow") for url in metrics.unreachable
    ]
    return Group(table, *lines)


def _cell(column: str, value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:,.4f}" if column == "USD" else f"{value:,.0f}"
