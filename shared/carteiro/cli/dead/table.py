"""`carteiro dead list`: one line for each dead letter."""

import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from carteiro.cli.dead.filters import DeadLetterFilters, reply_correlation_id
from carteiro.cli.dead.topic import open_dead_letter_topic
from carteiro.cli.json_lines import print_json
from carteiro.cli.kafka import KafkaSession
from carteiro.cli.plural import pluralise
from carteiro.cli.terminal_escape import escape, escape_bytes, format_utc
from carteiro.wire.dead_letter import DeadLetter

STATE_WAITING, STATE_REDRIVEN = "waiting", "redriven"

_MAX_REASON_LENGTH = 100
_COLUMNS = ("id", "when (UTC)", "code", "tries", "redrives", "state", "correlation id", "reason")
_GAP = 2
_MIN_CORRELATION_WIDTH, _MIN_REASON_WIDTH = 12, 24


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A dead letter's row in a table."""

    at: datetime
    id: str
    cells: tuple[str, ...]


class DeadLetterTable:
    """Table of the dead letters that match. It keeps only rows: a topic may hold more than fits into memory."""

    def __init__(self, filters: DeadLetterFilters, *, include_redriven: bool, as_json: bool) -> None:
        self._filters = filters
        self._include_redriven = include_redriven
        self._as_json = as_json
        self.rows: list[DeadLetterRow] = []
        self.listed_count = 0
        self.hidden_count = 0
        """Number of matching dead letters that are not listed, because they were redriven."""

    async def add_task(self, kafka: KafkaSession, task: str) -> None:
        """Add a task's dead letters. As JSON they are printed at once."""
        async with open_dead_letter_topic(kafka, task) as topic:
            if topic is None:
                return
            async for dead_letter in topic.read():
                if self._filters.matches(dead_letter):
                    self._add(dead_letter, task, STATE_REDRIVEN if topic.was_redriven(dead_letter) else STATE_WAITING)

    def summary(self) -> str:
        """Return the number of dead letters, as one line."""
        hidden = f"{self.hidden_count} redriven, which --all shows" if self.hidden_count else ""
        if not self.listed_count:
            return f"no dead letters wait; {hidden}" if hidden else "no dead letters"
        return pluralise(self.listed_count, "dead letter") + (f"; {hidden}" if hidden else "")

    def _add(self, dead_letter: DeadLetter, task: str, state: str) -> None:
        if state == STATE_REDRIVEN and not self._include_redriven:
            self.hidden_count += 1
            return
        self.listed_count += 1
        if self._as_json:
            print_json(json_summary(dead_letter, task, state))
        else:
            self.rows.append(dead_letter_row(dead_letter, state))


def print_dead_letters(rows: list[DeadLetterRow]) -> None:
    """Print a table of dead letters, the oldest first."""
    console = Console()
    # Output into a file or a pipe is not cut.
    widths = column_widths([row.cells for row in rows], console.width if console.is_terminal else sys.maxsize)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for name, width in zip(_COLUMNS, widths, strict=True):
        table.add_column(name, width=width, no_wrap=True, overflow="ellipsis")
    for row in sorted(rows, key=lambda each: (each.at, each.id)):
        # `Text` and not markup: brackets in a reason are no instruction.
        table.add_row(*map(Text, row.cells))
    console.width = max(console.width, sum(widths) + _GAP * len(widths))
    console.print(table)


def column_widths(rows: list[tuple[str, ...]], available: int) -> list[int]:
    """Return the width of each column.

    On a narrow terminal the reason shrinks first, then the correlation id. The dead letter's id is there to be copied,
    so it never shrinks: rather lines are longer than the terminal.
    """
    *others, correlation, reason = (max(map(cell_len, column)) for column in zip(_COLUMNS, *rows, strict=True))
    available -= sum(others) + _GAP * len(_COLUMNS)
    correlation = min(correlation, max(available - min(reason, _MIN_REASON_WIDTH), _MIN_CORRELATION_WIDTH))
    return [*others, correlation, min(reason, max(available - correlation, _MIN_REASON_WIDTH))]


def dead_letter_row(dead_letter: DeadLetter, state: str) -> DeadLetterRow:
    """Return a dead letter's row."""
    reason = escape(dead_letter.reason or "-")
    cells = (
        dead_letter.id,
        format_utc(dead_letter.dead_at)[:-4],
        # Dead letters of other systems have no code, so the name of their exception is shown.
        escape(dead_letter.code or dead_letter.exception_class or "-"),
        "-" if dead_letter.tries is None else str(dead_letter.tries),
        str(dead_letter.redrive_count),
        state,
        escape(reply_correlation_id(dead_letter) or "-"),
        reason if len(reason) <= _MAX_REASON_LENGTH else f"{reason[: _MAX_REASON_LENGTH - 1]}…",
    )
    return DeadLetterRow(dead_letter.dead_at, dead_letter.id, cells)


def json_summary(dead_letter: DeadLetter, task: str, state: str) -> dict[str, Any]:
    """Return a dead letter for programs, without its value and headers, which `show` has."""
    origin = dead_letter.origin
    return {
        "id": dead_letter.id,
        "task": task,
        "at": format_utc(dead_letter.dead_at).replace(" ", "T"),
        "code": dead_letter.code,
        "exception": dead_letter.exception_class,
        "reason": dead_letter.reason,
        "tries": dead_letter.tries,
        "redrives": dead_letter.redrive_count,
        "correlation_id": reply_correlation_id(dead_letter),
        "request_id": origin.request_id if origin else None,
        "key": None if dead_letter.key is None else json_text(dead_letter.key),
        "state": state,
    }


def json_text(value: bytes) -> str:
    """Return bytes for JSON: as text if they are text, else in hexadecimal, `0x...`."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return escape_bytes(value)
