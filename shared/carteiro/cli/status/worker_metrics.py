"""Counts of the workers, from their `/metrics`."""

import asyncio
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_TIMEOUT_SECONDS = 5.0
_FIELD_BY_METRIC = {
    "carteiro_in_flight": "in_flight",
    "carteiro_cost_usd_total": "cost_usd",
    "carteiro_dead_letters_total": "dead_letters",
    "carteiro_batch_pending_requests": "waiting",
}


@dataclass(slots=True)
class TaskCounts:
    """Sums of all workers' counts of one task since they started; None for a count that no worker gives."""

    in_flight: float | None = None
    ok: float | None = None
    errors: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    cost_usd: float | None = None
    dead_letters: float | None = None
    waiting: float | None = None

    def add(self, field_name: str, value: float) -> None:
        """Add to one of the counts."""
        setattr(self, field_name, (getattr(self, field_name) or 0) + value)


@dataclass(slots=True)
class WorkerMetrics:
    """Metrics of all workers. `open_circuits` are the models with an open circuit, `unreachable` the addresses without
    answer.
    """

    tasks: dict[str, TaskCounts] = field(default_factory=lambda: defaultdict(TaskCounts))
    open_circuits: set[str] = field(default_factory=set)
    unreachable: list[str] = field(default_factory=list)


async def scrape_workers(urls: Sequence[str]) -> WorkerMetrics:
    """Return the counts of the workers at these addresses, `http://HOST:PORT`."""
    found = WorkerMetrics()
    texts = await asyncio.gather(*(asyncio.to_thread(_scrape, url) for url in urls))
    for url, text in zip(urls, texts, strict=True):
        if text is None:
            found.unreachable.append(url)
        else:
            _add_samples(text, found)
    for counts in found.tasks.values():
        _fill_zeros(counts)
    return found


def _fill_zeros(counts: TaskCounts) -> None:
    """Set the counts that a worker of the task has not started to 0."""
    if counts.ok is None and counts.errors is None:
        return
    for name in ("ok", "errors", "in_flight", "input_tokens", "output_tokens", "dead_letters"):
        counts.add(name, 0)
    if not counts.input_tokens and not counts.output_tokens:
        counts.add("cost_usd", 0)


def _scrape(url: str) -> str | None:
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/metrics", timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
            return str(answer.read().decode())
    except (OSError, ValueError):
        return None


def _add_samples(text: str, found: WorkerMetrics) -> None:
    for name, labels, value in _parse_samples(text):
        if name == "carteiro_model_circuit_open" and value:
            found.open_circuits.add(labels["model"])
        if (task := labels.get("task")) is None:
            continue
        counts = found.tasks[task]
        if (counted := _FIELD_BY_METRIC.get(name)) is not None:
            counts.add(counted, value)
        elif name == "carteiro_replies_total":
            counts.add("ok" if labels["code"] == "ok" else "errors", value)
        elif name == "carteiro_tokens_total" and labels["direction"] in ("input", "output"):
            counts.add(f"{labels['direction']}_tokens", value)


def _parse_samples(text: str) -> Iterable[tuple[str, dict[str, str], float]]:
    # Imported only if a worker answers: it takes as long as all other imports of the command.
    from prometheus_client.parser import text_string_to_metric_families

    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value
