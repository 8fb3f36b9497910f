"""Filters of dead letters, read from the command line."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from carteiro.cli.terminal_escape import escape_bytes
from carteiro.schemas import ERROR_CODES, REQUESTS
from carteiro.wire.dead_letter import DeadLetter
from carteiro.wire.topics import Topics

_ID = re.compile(r"(?:([^/]+)/)?(\d{1,9})/(\d{1,18})", re.ASCII)
_SERVED = re.compile(r"enrich-[a-z0-9][a-z0-9-]{0,62}|index-[a-z0-9][a-z0-9_-]{0,62}")
"""Name of an enrichment or a collection among a worker's tasks."""
_REDRIVE_ADVICE = {
    "enrich": "events are not sent again, since each reader of their topic would get them twice; an enrichment can "
    "read its topic of dead letters in `from`",
    "index": "documents are not sent again, since the collection may have newer versions; send the document itself",
}
_RELATIVE_TIME = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class FilterInvalid(Exception):
    """An argument or option is invalid. The message names it, and the valid values."""


@dataclass(frozen=True, slots=True)
class DeadLetterId:
    """Id of a dead letter. If `topic` is None (the short form), it matches in any of the topics."""

    topic: str | None
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{f'{self.topic}/' if self.topic else ''}{self.partition}/{self.offset}"

    def matches(self, dead_letter: DeadLetter) -> bool:
        """True if this is the id of the dead letter."""
        same_offset = (dead_letter.partition, dead_letter.offset) == (self.partition, self.offset)
        return same_offset and self.topic in (None, dead_letter.topic)


@dataclass(frozen=True, slots=True)
class DeadLetterFilters:
    """Conditions on a dead letter; None and empty match everything."""

    codes: Collection[str] = ()
    reason: str | None = None
    since: datetime | None = None
    correlation_id: str | None = None
    key: str | None = None

    def matches(self, dead_letter: DeadLetter) -> bool:
        """True if the dead letter meets all conditions."""
        return (
            (not self.codes or dead_letter.code in self.codes)
            and (self.reason is None or self.reason.casefold() in (dead_letter.reason or "").casefold())
            and (self.since is None or dead_letter.dead_at >= self.since)
            and (self.correlation_id is None or self.correlation_id == reply_correlation_id(dead_letter))
            and (self.key is None or (dead_letter.key is not None and self.key in _key_texts(dead_letter.key)))
        )


def read_filters(
    codes: Sequence[str] | None, reason: str | None, since: str | None, correlation_id: str | None, key: str | None
) -> DeadLetterFilters:
    """Return the filters of these options. Raise `FilterInvalid` if one is invalid."""
    for code in codes or ():
        if code not in ERROR_CODES:
            raise FilterInvalid(f"--code: there is no error code {code!r}; there are {', '.join(ERROR_CODES)}")
    return DeadLetterFilters(codes or (), reason, _parse_since(since) if since else None, correlation_id, key)


def read_tasks(task: str | None) -> list[str]:
    """Return the named task, enrichment or collection, or all tasks. Raise `FilterInvalid` if there is no such task."""
    if task is None:
        return list(REQUESTS)
    if task not in REQUESTS and not is_no_task(task):
        raise FilterInvalid(f"there is no task {task!r}; there are {', '.join(REQUESTS)}, enrich-NAME and index-NAME")
    return [task]


def is_no_task(task: str) -> bool:
    """True if the name is that of an enrichment or a collection."""
    return _SERVED.fullmatch(task) is not None


def check_redrivable(tasks: Sequence[str]) -> None:
    """Do nothing if the dead letters of these tasks can be redriven. Raise `FilterInvalid`."""
    for task in filter(is_no_task, tasks):
        raise FilterInvalid(f"{task}: {_REDRIVE_ADVICE[task.partition('-')[0]]}")


def read_dead_letter_ids(arguments: Sequence[str], topics: Topics) -> tuple[list[str], list[DeadLetterId]]:
    """Return the tasks and the ids of dead letters in `[TASK] [ID]...`. Raise `FilterInvalid` if an argument is
    invalid.
    """
    named = arguments[0] if arguments and "/" not in arguments[0] else None
    tasks = read_tasks(named)
    ids = [_parse_id(each) for each in arguments[1 if named else 0 :]]
    of_topic = {topics.dead(task): task for task in tasks}
    if named is None:
        for each in ids:
            task = (each.topic or "").removeprefix(f"{topics.prefix}.").removesuffix(".dead")
            if is_no_task(task):
                of_topic[topics.dead(task)] = task
    for each in ids:
        if each.topic and each.topic not in of_topic:
            raise FilterInvalid(f"{each}: is not in a topic that is looked at: {', '.join(of_topic)}")
    if ids and all(each.topic for each in ids):
        tasks = list(dict.fromkeys(of_topic[each.topic] for each in ids if each.topic))
    return tasks, list(dict.fromkeys(ids))


def reply_correlation_id(dead_letter: DeadLetter) -> str | None:
    """Return the correlation id that is on the request's reply."""
    return dead_letter.correlation_id or (dead_letter.origin.request_id if dead_letter.origin else None)


def _key_texts(key: bytes) -> tuple[str, str]:
    return key.decode(errors="replace"), escape_bytes(key)


def _parse_id(text: str) -> DeadLetterId:
    if not (found := _ID.fullmatch(text)):
        raise FilterInvalid(f"{text!r} is not a dead letter's id: topic/partition/offset, or partition/offset")
    topic, partition, offset = found.groups()
    return DeadLetterId(topic, int(partition), int(offset))


def _parse_since(text: str) -> datetime:
    if ago := _RELATIVE_TIME.fullmatch(text):
        try:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        except OverflowError:  # The time is before the year 1, so it excludes nothing.
            return datetime.min.replace(tzinfo=UTC)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = datetime.min
    if at.tzinfo is None:
        raise FilterInvalid(f"--since: {text!r} is not a time: 30m, 2h or 3d ago, or one such as 2026-01-31T12:00:00Z")
    return at
