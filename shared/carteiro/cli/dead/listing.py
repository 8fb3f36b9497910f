"""`carteiro dead list`: one line for each letter."""

import json
from typing import Any

from rich.table import Table
from rich.text import Text

from carteiro.cli.dead.choice import Filters, known_as
from carteiro.cli.dead.kafka import Kafka
from carteiro.cli.dead.text import safe, safe_bytes, utc
from carteiro.cli.dead.topic import opened
from carteiro.wire.dead_letter import DeadLetter

WAITING, REDRIVEN = "waiting", "redriven"

_REASON = 100
_COLUMNS = ("id", "when", "code", "tries", "redrives", "correlation id", "reason", "state")


class Listing:
    """The letters that match, taken in one by one and kept as lines: a topic may hold more than memory does."""

    def __init__(self, filters: Filters, *, redriven_too: bool, as_json: bool) -> None:
        self._filters = filters
        self._redriven_too = redriven_too
        self._as_json = as_json
        self._rows: list[tuple[float, str, tuple[Text, ...]]] = []
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

    def table(self) -> Table:
        """What was taken in, the oldest first."""
        return letters_table([row for _, _, row in sorted(self._rows, key=lambda each: each[:2])])

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
            print(json.dumps(as_json(letter, task, state)))
        else:
            self._rows.append((letter.at.timestamp(), letter.id, row(letter, state)))


def letters_table(rows: list[tuple[Text, ...]]) -> Table:
    """Lines of letters under their heads."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in _COLUMNS:
        # On a narrow terminal the reason gives way: what is copied, the ids, stays whole.
        table.add_column(name, no_wrap=True, overflow="ellipsis" if name == "reason" else "fold")
    for each in rows:
        table.add_row(*each)
    return table


def row(letter: DeadLetter, state: str) -> tuple[Text, ...]:
    """A letter's line. `Text` and not markup: a reason in brackets is no instruction."""
    reason = safe(letter.reason or "-")
    return (
        Text(letter.id),
        Text(utc(letter.at)),
        # Letters that are not ours have no code; what they call the exception says as much.
        Text(safe(letter.code or letter.exception or "-")),
        Text("-" if letter.tries is None else str(letter.tries)),
        Text(str(letter.redrives)),
        Text(safe(known_as(letter) or "-")),
        Text(reason if len(reason) <= _REASON else f"{reason[: _REASON - 1]}…"),
        Text(state),
    )


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
        "key": None if letter.key is None else _key(letter.key),
        "state": state,
    }


def _key(key: bytes) -> str:
    try:
        return key.decode()
    except UnicodeDecodeError:
        return safe_bytes(key)
