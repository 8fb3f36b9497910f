"""`carteiro dead show`: all there is to one letter."""

from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

from carteiro.cli.dead.choice import LetterId, known_as
from carteiro.cli.dead.listing import REDRIVEN, WAITING, as_json, text_of
from carteiro.cli.dead.text import safe, safe_bytes, safe_value, utc, utc_of
from carteiro.cli.dead.topic import DeadTopic, opened
from carteiro.cli.kafka import Kafka
from carteiro.wire.dead_letter import DeadLetter


async def find(kafka: Kafka, tasks: list[str], wanted: LetterId) -> list[tuple[DeadLetter, str, str]]:
    """The letters at this place, each with its task and its state.

    More than one where a short id fits in several topics.
    """
    found = []
    for task in tasks:
        if wanted.topic in (None, kafka.topics.dead(task)):
            async with opened(kafka, task) as topic:
                if topic and (letter := await _at(topic, wanted)):
                    found.append((letter, task, REDRIVEN if topic.redriven(letter) else WAITING))
    return found


def plain(letter: DeadLetter, task: str, state: str) -> dict[str, Any]:
    """The letter for programs: as `list` has it, and the headers and the value, of which bytes that are no text are
    written in hexadecimal, `0x...`."""
    origin = letter.origin
    return as_json(letter, task, state) | {
        "group": origin.group if origin else None,
        "asked_at_ms": origin.timestamp if origin else None,
        "headers": [[name, None if value is None else text_of(value)] for name, value in letter.headers],
        "value": None if letter.value is None else text_of(letter.value),
    }


async def _at(topic: DeadTopic, wanted: LetterId) -> DeadLetter | None:
    async with aclosing(topic.letters({wanted.partition: wanted.offset})) as letters:
        async for letter in letters:
            return letter if wanted.fits(letter) else None
    return None


def shown(letter: DeadLetter, state: str) -> Iterator[str]:
    """The letter, line by line."""
    origin = letter.origin
    facts = {
        "given up": utc(letter.at) + (f" after {_count(letter.tries, 'try', 'tries')}" if letter.tries else ""),
        "code": letter.code or letter.exception,
        "reason": letter.reason,
        "state": state,
        "redrives": str(letter.redrives),
        "request": (origin.request_id or origin.topic) if origin else None,
        "asked": f"{utc_of(origin.timestamp)} ({origin.timestamp_type})" if origin and origin.timestamp else None,
        "group": origin.group if origin else None,
        "correlation": known_as(letter),
        "key": None if letter.key is None else safe_bytes(letter.key),
    }
    yield letter.id
    for name, fact in facts.items():
        yield f"  {name:<12} {'-' if fact is None else safe(fact)}"
    yield "headers"
    width = max((len(name) for name, _ in letter.headers), default=0)
    for name, value in letter.headers:
        # Kafka lets a header be null, which the client library's types do not say.
        yield f"  {safe(name):<{width}} {'-' if value is None else safe_bytes(value)}"
    if letter.value is None:
        yield "value, none"
        return
    kind, text = safe_value(letter.value)
    yield f"value, {_count(len(letter.value), 'byte', 'bytes')}, {kind}"
    for line in text.split("\n"):
        yield f"  {line}"


def _count(number: int, one: str, more: str) -> str:
    return f"{number:,} {one if number == 1 else more}"
