"""`carteiro dead show`: all data of one dead letter."""

from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

from carteiro.cli.dead.filters import DeadLetterId, reply_correlation_id
from carteiro.cli.dead.table import STATE_REDRIVEN, STATE_WAITING, json_summary, json_text
from carteiro.cli.dead.topic import DeadLetterTopic, open_dead_letter_topic
from carteiro.cli.kafka import KafkaSession
from carteiro.cli.plural import pluralise
from carteiro.cli.terminal_escape import escape, escape_bytes, format_timestamp, format_utc, render_value
from carteiro.wire.dead_letter import DeadLetter


async def find_dead_letters(
    kafka: KafkaSession, tasks: list[str], dead_letter_id: DeadLetterId
) -> list[tuple[DeadLetter, str, str]]:
    """Return the dead letters with this id, each with its task and its state.

    A short id may match in several topics.
    """
    found = []
    for task in tasks:
        if dead_letter_id.topic in (None, kafka.topics.dead(task)):
            async with open_dead_letter_topic(kafka, task) as topic:
                if topic and (dead_letter := await _read_at(topic, dead_letter_id)):
                    found.append(
                        (dead_letter, task, STATE_REDRIVEN if topic.was_redriven(dead_letter) else STATE_WAITING)
                    )
    return found


def json_detail(dead_letter: DeadLetter, task: str, state: str) -> dict[str, Any]:
    """Return the dead letter for programs: the data of `list`, and the headers and the value.

    Bytes that are no text are written in hexadecimal, `0x...`.
    """
    origin = dead_letter.origin
    return json_summary(dead_letter, task, state) | {
        "group": origin.group if origin else None,
        "asked_at_ms": origin.timestamp if origin else None,
        "headers": [[name, None if value is None else json_text(value)] for name, value in dead_letter.headers],
        "value": None if dead_letter.value is None else json_text(dead_letter.value),
    }


async def _read_at(topic: DeadLetterTopic, dead_letter_id: DeadLetterId) -> DeadLetter | None:
    async with aclosing(topic.read({dead_letter_id.partition: dead_letter_id.offset})) as dead_letters:
        async for dead_letter in dead_letters:
            return dead_letter if dead_letter_id.matches(dead_letter) else None
    return None


def detail_lines(dead_letter: DeadLetter, state: str) -> Iterator[str]:
    """Yield the dead letter, line by line."""
    origin = dead_letter.origin
    facts = {
        "failed at": format_utc(dead_letter.dead_at)
        + (f" after {pluralise(dead_letter.tries, 'try', 'tries')}" if dead_letter.tries else ""),
        "code": dead_letter.code or dead_letter.exception_class,
        "reason": dead_letter.reason,
        "state": state,
        "redrives": str(dead_letter.redrive_count),
        "request": (origin.request_id or origin.topic) if origin else None,
        "sent at": f"{format_timestamp(origin.timestamp)} ({origin.timestamp_type})"
        if origin and origin.timestamp
        else None,
        "group": origin.group if origin else None,
        "correlation": reply_correlation_id(dead_letter),
        "key": None if dead_letter.key is None else escape_bytes(dead_letter.key),
    }
    yield dead_letter.id
    for name, fact in facts.items():
        yield f"  {name:<12} {'-' if fact is None else escape(fact)}"
    yield "headers"
    width = max((len(name) for name, _ in dead_letter.headers), default=0)
    for name, value in dead_letter.headers:
        # Kafka permits a null header value, although the types of the client library do not say so.
        yield f"  {escape(name):<{width}} {'-' if value is None else escape_bytes(value)}"
    if dead_letter.value is None:
        yield "value, none"
        return
    kind, text = render_value(dead_letter.value)
    yield f"value, {pluralise(len(dead_letter.value), 'byte')}, {kind}"
    for line in text.split("\n"):
        yield f"  {line}"
