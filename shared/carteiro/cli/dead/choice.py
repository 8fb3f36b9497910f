"""Which letters a command is about, from what was typed."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from carteiro.cli.dead.text import safe_bytes
from carteiro.schemas import ERROR_CODES, REQUESTS
from carteiro.wire.dead_letter import DeadLetter
from carteiro.wire.topics import Topics

_ID = re.compile(r"(?:([^/]+)/)?(\d{1,9})/(\d{1,18})", re.ASCII)
_AGO = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class ChoiceInvalid(Exception):
    """Something that was typed means nothing. The message says what, and what would."""


@dataclass(frozen=True, slots=True)
class LetterId:
    """A letter's place. `topic` None, the short form: in whichever of the topics that are looked at."""

    topic: str | None
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{f'{self.topic}/' if self.topic else ''}{self.partition}/{self.offset}"

    def fits(self, letter: DeadLetter) -> bool:
        """Whether it is the place of this letter."""
        return (letter.partition, letter.offset) == (self.partition, self.offset) and self.topic in (None, letter.topic)


@dataclass(frozen=True, slots=True)
class Filters:
    """What a letter must be like; None and empty mean anything."""

    codes: Collection[str] = ()
    reason: str | None = None
    since: datetime | None = None
    correlation_id: str | None = None
    key: str | None = None

    def match(self, letter: DeadLetter) -> bool:
        """Whether the letter is like that."""
        return (
            (not self.codes or letter.code in self.codes)
            and (self.reason is None or self.reason.casefold() in (letter.reason or "").casefold())
            and (self.since is None or letter.at >= self.since)
            and (self.correlation_id is None or self.correlation_id == known_as(letter))
            and (self.key is None or (letter.key is not None and self.key in _spellings(letter.key)))
        )


def read_filters(
    codes: Sequence[str] | None, reason: str | None, since: str | None, correlation_id: str | None, key: str | None
) -> Filters:
    """The filters from their options. Raises `ChoiceInvalid`."""
    for code in codes or ():
        if code not in ERROR_CODES:
            raise ChoiceInvalid(f"--code: there is no error code {code!r}; there are {', '.join(ERROR_CODES)}")
    return Filters(codes or (), reason, _since(since) if since else None, correlation_id, key)


def read_tasks(task: str | None) -> list[str]:
    """The task that was named, or all. Raises `ChoiceInvalid`."""
    if task is None:
        return list(REQUESTS)
    if task not in REQUESTS:
        raise ChoiceInvalid(f"there is no task {task!r}; there are {', '.join(REQUESTS)}")
    return [task]


def read_letters(arguments: Sequence[str], topics: Topics) -> tuple[list[str], list[LetterId]]:
    """The tasks to look at and the letters that were named, from `[TASK] [ID]...`. Raises `ChoiceInvalid`."""
    named = arguments[0] if arguments and "/" not in arguments[0] else None
    tasks = read_tasks(named)
    ids = [_id(each) for each in arguments[1 if named else 0 :]]
    of_topic = {topics.dead(task): task for task in tasks}
    for each in ids:
        if each.topic and each.topic not in of_topic:
            raise ChoiceInvalid(f"{each}: is not in a topic that is looked at: {', '.join(of_topic)}")
    if ids and all(each.topic for each in ids):
        tasks = list(dict.fromkeys(of_topic[each.topic] for each in ids if each.topic))
    return tasks, list(dict.fromkeys(ids))


def known_as(letter: DeadLetter) -> str | None:
    """The correlation id that is on the request's reply."""
    return letter.correlation_id or (letter.origin.request_id if letter.origin else None)


def _spellings(key: bytes) -> tuple[str, str]:
    return key.decode(errors="replace"), safe_bytes(key)


def _id(text: str) -> LetterId:
    if not (found := _ID.fullmatch(text)):
        raise ChoiceInvalid(f"{text!r} is not a letter's id: topic/partition/offset, or partition/offset")
    topic, partition, offset = found.groups()
    return LetterId(topic, int(partition), int(offset))


def _since(text: str) -> datetime:
    if ago := _AGO.fullmatch(text):
        try:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        except OverflowError:  # from before the year 1: all of them
            return datetime.min.replace(tzinfo=UTC)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = datetime.min
    if at.tzinfo is None:
        raise ChoiceInvalid(f"--since: {text!r} is not a time: 30m, 2h or 3d ago, or one such as 2026-01-31T12:00:00Z")
    return at
