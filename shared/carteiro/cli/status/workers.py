"""What workers count, from their `/metrics`."""

import asyncio
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

_SECONDS = 5.0
_BY_TASK = {
    "carteiro_in_flight": "in_flight",
    "carteiro_cost_usd_total": "cost_usd",
    "carteiro_dead_letters_total": "dead_letters",
    "carteiro_waiting": "waiting",
}


@dataclass(slots=True)
class Counts:
    """What all workers together say of one task, since they started."""

    in_flight: float = 0
    ok: float = 0
    errors: float = 0
    input_tokens: float = 0
    output_tokens: float = 0
    cost_usd: float = 0
    dead_letters: float = 0
    waiting: float = 0


@dataclass(slots=True)
class Workers:
    """`parked` are the models that are down or paid out; `silent` the addresses at which nothing answers."""

    tasks: dict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))
    parked: set[str] = field(default_factory=set)
    silent: list[str] = field(default_factory=list)


async def ask_workers(urls: Sequence[str]) -> Workers:
    """The counts of the workers at these addresses, `http://HOST:PORT`."""
    found = Workers()
    texts = await asyncio.gather(*(asyncio.to_thread(_metrics, url) for url in urls))
    for url, text in zip(urls, texts, strict=True):
        if text is None:
            found.silent.append(url)
        else:
            _count(text, found)
    return found


def _metrics(url: str) -> str | None:
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/metrics", timeout=_SECONDS) as answer:  # noqa: S310
            return str(answer.read().decode())
    except (OSError, ValueError):
        return None


def _count(text: str, found: Workers) -> None:
    for name, labels, value in _samples(text):
        if name == "carteiro_parked" and value:
            found.parked.add(labels["model"])
        if (task := labels.get("task")) is None:
            continue
        counts = found.tasks[task]
        if (counted := _BY_TASK.get(name)) is not None:
            setattr(counts, counted, getattr(counts, counted) + value)
        elif name == "carteiro_replies_total":
            if labels["code"] == "ok":
                counts.ok += value
            else:
                counts.errors += value
        elif name == "carteiro_tokens_total" and labels["direction"] == "input":
            counts.input_tokens += value
        elif name == "carteiro_tokens_total" and labels["direction"] == "output":
            counts.output_tokens += value


def _samples(text: str) -> Iterable[tuple[str, dict[str, str], float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value
