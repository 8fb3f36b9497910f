"""`carteiro dead list`: one line for each letter."""

import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from carteiro.cli.dead.choice import Filters, known_as
from carteiro.cli.dead.text import safe, safe_bytes, utc
from carteiro.cli.dead.topic import opened
from carteiro.cli.json_lines import print_json
from carteiro.cli.kafka import Kafka
from carteiro.wire.dead_letter import DeadLetter

WAITING, REDRIVEN = "waiting", "redriven"

_REASON = 100
_COLUMNS = ("id", "when (UTC)", "code", "tries", "redrives", "state", "correlation id", "reason")
_GAP = 2
_LEAST_CORRELATION, _LEAST_REASON = 12, 24


@dataclass(frozen=True, slots=True)
class Row:
    """A letter's line in a table."""

    at: datetime
    id: str
    cells: tuple[str, ...]


class Listing:
    """The letters that match, taken in one by one and kept as lines: a topic may hold more than memory does."""

    def __init__(self, filters: Filters, *, redriven_too: bool, as_json: bool) -> None:
        self._filters = filters
        self._redriven_too = redriven_too
        self._as_json = as_json
        self.rows: list[Row] = []
        self.listed = 0
        self.passed_over = 0
        """Letters that match and are not listed, for they have been redriven."""

    async def read(self, kafka: Kafka, task: str) -> None:
        """Take in a task's letters; as JSON they are printed as they come."""
        async with opened(kafka, task) as topic:
            if topic is None:
                return
            async for letter in topic.letters():
                if self._filters.match(letter):
                    self._add(letter, task, REDRIVEN if topic.redriven(letter) else WAITING)

    def summary(self) -> str:
        """How many there are, in one line."""
        hidden = f"{self.passed_over} redriven, which --all shows" if self.passed_over else ""
        if not self.listed:
            return f"no dead letters wait; {hidden}" if hidden else "no dead letters"
        return f"{self.listed} dead letter{'s' * (self.listed != 1)}" + (f"; {hidden}" if hidden else "")

    def _add(self, letter: DeadLetter, task: str, state: str) -> None:
        if state == REDRIVEN and not self._redriven_too:
            self.passed_over += 1
            return
        self.listed += 1
        if self._as_json:
            print_json(as_json(letter, task, state))
        else:
            self.rows.append(row(letter, state))


def print_letters(rows: list[Row]) -> None:
    """A table of letters, the oldest first."""
    console = Console()
    # What is piped into a file or a program is not cut.
    widths = column_widths([row.cells for row in rows], console.width if console.is_terminal else sys.maxsize)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for name, width in zip(_COLUMNS, widths, strict=True):
        table.add_column(name, width=width, no_wrap=True, overflow="ellipsis")
    for row in sorted(rows, key=lambda each: (each.at, each.id)):
        # `Text` and not markup: a reason in brackets is no instruction.
        table.add_row(*map(Text, row.cells))
    console.width = max(console.width, sum(widths) + _GAP * len(widths))
    console.print(table)


def column_widths(rows: list[tuple[str, ...]], room: int) -> list[int]:
    """How wide each column is. On a narrow terminal the reason gives way first, then the correlation id; what is to be
    copied, the letter's id, never does: rather lines are longer than the terminal."""
    *others, correlation, reason = (max(map(cell_len, column)) for column in zip(_COLUMNS, *rows, strict=True))
    room -= sum(others) + _GAP * len(_COLUMNS)
    correlation = min(correlation, max(room - min(reason, _LEAST_REASON), _LEAST_CORRELATION))
    return [*others, correlation, min(reason, max(room - correlation, _LEAST_REASON))]


def row(letter: DeadLetter, state: str) -> Row:
    """A letter's line."""
    reason = safe(letter.reason or "-")
    cells = (
        letter.id,
        utc(letter.at)[:-4],
        # Letters that are not ours have no code; what they call the exception says as much.
        safe(letter.code or letter.exception or "-"),
        "-" if letter.tries is None else str(letter.tries),
        str(letter.redrives),
        state,
        safe(known_as(letter) or "-"),
        reason if len(reason) <= _REASON else f"{reason[: _REASON - 1]}…",
    )
    return Row(letter.at, letter.id, cells)


def as_json(letter: DeadLetter, task: str, state: str) -> dict[str, Any]:
    """A letter for programs; its value and headers are for `show`."""
    origin = letter.origin
    return {
        "id": letter.id,
        "task": task,
        "at": utc(letter.at).replace(" ", "T"),
        "code": letter.code,
        "exception": letter.exception,
        "reason": letter.reason,
        "tries": letter.tries,
        "redrives": letter.redrives,
        "correlation_id": known_as(letter),
        "request_id": origin.request_id if origin else None,
        "key": None if letter.key is None else text_of(letter.key),
        "state": state,
    }


def text_of(value: bytes) -> str:
    """Bytes as JSON has them: text where they are text, else in hexadecimal, `0x...`."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return safe_bytes(value)
