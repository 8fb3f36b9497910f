"""The table of `carteiro status`, on narrow terminals."""

import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from carteiro.cli.status import table
from carteiro.cli.status.table import render_table
from carteiro.cli.status.worker_metrics import TaskCounts, WorkerMetrics
from carteiro.tasks.discovery import task_names
from carteiro.wire.topics import Topics


@pytest.mark.parametrize("width", [80, 100, 200])
def test_no_word_of_the_table_is_cut(width):
    shown = Console(width=width, file=io.StringIO())
    counts = TaskCounts(in_flight=0, ok=1, errors=0, input_tokens=1112, output_tokens=0, cost_usd=0, dead_letters=0)
    metrics = WorkerMetrics()
    metrics.tasks |= dict.fromkeys(task_names(), counts)
    shown.print(render_table(dict.fromkeys(task_names(), 0), metrics))
    words = shown.file.getvalue().split()
    for word in ("flight", "errors", "tokens", "USD", "letters", "waiting", *task_names()):
        assert word in words
    assert words.count("–") >= len(task_names())


def test_enrichment_has_a_row_after_the_tasks_and_its_lag_is_unknown():
    shown = Console(width=80, file=io.StringIO())
    metrics = WorkerMetrics()
    metrics.tasks["enrich-reviews"] = TaskCounts(ok=3)
    shown.print(render_table({"chat": 0}, metrics))
    rows = [line.split() for line in shown.file.getvalue().splitlines()]
    assert [row[:2] for row in rows[-2:]] == [["chat", "0"], ["enrich-reviews", "–"]]


async def test_collections_have_a_row_with_their_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = dict[str, str]()

    async def lags(*_: object, more: dict[str, str]) -> dict[tuple[str, int], int]:
        asked.update(more)
        return {("index-docs", 0): 3, ("index-docs", 1): 4}

    monkeypatch.setattr(table, "partition_lags", lags)
    monkeypatch.setenv("CARTEIRO_COLLECTIONS", "named")
    existing = {"acme.index-docs.documents", "acme.chat.requests", "llm.index-other.documents", "shop.documents"}
    kafka: Any = SimpleNamespace(admin=None, topics=Topics("acme"), existing=existing)
    by_task, metrics = await table._collect(kafka, None, [])  # type: ignore[arg-type]
    assert asked == {"index-docs": "acme.index-docs.documents", "index-named": "acme.index-named.documents"}
    shown = Console(width=80, file=io.StringIO())
    shown.print(render_table(by_task, metrics))
    assert shown.file.getvalue().splitlines()[-1].split()[:2] == ["index-docs", "7"]
