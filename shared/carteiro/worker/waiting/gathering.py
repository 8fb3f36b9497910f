"""What waits for a batch, and when a batch is to be made of it. Pure: no Kafka, no provider, no clock."""

import asyncio
import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from carteiro.models.cloud.batches.interface import LineResult
from carteiro.models.interface import Prompt

_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Rules:
    """How batches are made. Times are in seconds."""

    margin: float
    """How long before its time is up a request is taken out of its batch."""
    gather: float
    poll: float
    most: int
    """Lines of one batch."""


def line_id(offset: int, body: dict[str, Any], sending: int) -> str:
    """What names a prompt of a request: where the request waits, what is asked, and the how manieth sending it is.

    A service that is started again asks the same of it, and so finds what has been paid for already.
    """
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
    return f"{offset}-{digest}-{sending}"


def offset_of(line: str) -> int:
    """Where the request of a line waits."""
    return int(line.partition("-")[0])


@dataclass(slots=True, eq=False)
class Line:
    """One prompt, to be a line of a batch. `until` is when its request has to be answered, in seconds since 1970."""

    id: str
    model: str
    prompt: Prompt
    until: float
    size: int
    """Bytes of its line."""
    result: asyncio.Future[LineResult]
    askers: int = 0
    """How many wait for it. A request that goes live waits no more."""

    @property
    def wanted(self) -> bool:
        return self.askers > 0 and not self.result.done()

    def settle(self, result: LineResult) -> None:
        """Give the result to whoever waits."""
        if not self.result.done():
            self.result.set_result(result)


@dataclass(slots=True)
class _Group:
    since: float
    lines: list[Line] = field(default_factory=list)
    size: int = 0


class Gatherer:
    """Gathers lines by model, and by how long they can wait: a batch is cut short for the first whose time is up.

    `most_bytes` says how large a model's batch may be.
    """

    def __init__(self, rules: Rules, most_bytes: Callable[[str], int]) -> None:
        self._rules, self._most_bytes = rules, most_bytes
        self._groups: dict[tuple[str, int], _Group] = {}
        self._full: list[list[Line]] = []
        self._most: dict[str, int] = {}
        """Lines of one batch, for models that take fewer than the rules say."""

    def halve(self, model: str) -> None:
        """Batches of a model are to be half as large from now on."""
        self._most[model] = max(self._most.get(model, self._rules.most) // 2, 1)

    def clear(self) -> None:
        """Forget all lines; how large batches may be stays known."""
        self._groups.clear()
        self._full.clear()

    def add(self, line: Line, now: float) -> None:
        """A line is to go into the next batch of its kind."""
        kind = (line.model, _patience(line.until - now))
        group = self._groups.setdefault(kind, _Group(now))
        if group.lines and group.size + line.size > self._most_bytes(line.model):
            self._full.append(group.lines)
            group = self._groups[kind] = _Group(now)
        group.lines.append(line)
        group.size += line.size
        if len(group.lines) >= self._most.get(line.model, self._rules.most):
            self._full.append(self._groups.pop(kind).lines)

    def due(self, now: float) -> list[list[Line]]:
        """What is to become batches now. It is gathered no longer; lines that nobody waits for are left out."""
        ripe = [kind for kind, group in self._groups.items() if now - group.since >= self._rules.gather]
        made = [*self._full, *(self._groups.pop(kind).lines for kind in ripe)]
        self._full = []
        wanted = ([line for line in lines if line.wanted] for lines in made)
        return [lines for lines in wanted if lines]

    def next_at(self) -> float | None:
        """When something will be due; None where nothing is gathered."""
        if self._full:
            return 0.0
        return min((group.since + self._rules.gather for group in self._groups.values()), default=None)


def _patience(seconds: float) -> int:
    return math.floor(math.log2(max(seconds, _HOUR / 4) / _HOUR))
