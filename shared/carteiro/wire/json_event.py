"""Events that are JSON in UTF-8."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from carteiro.wire.event_format import EncodedEvent, EventUnreadable, MemberRefused, Path, find_obstacle
from carteiro.wire.json_members import Members, NotAnObject, append_members, to_json, write_members
from carteiro.wire.record import BYTE_ORDER_MARK, PARSE_IN_THREAD_BYTES, Record

_decoder = json.JSONDecoder(strict=False)
_decoder_of_long_numbers = json.JSONDecoder(
    strict=False, parse_int=lambda digits: int(digits) if len(digits) < 1000 else float(digits)
)

SCHEMA_HINT = "it begins as a value with a schema does, which needs CARTEIRO_SCHEMA_REGISTRY_URL"
"""Advice for a value that begins with a zero byte, as Confluent's serializers write before a schema's id."""


@dataclass(frozen=True, slots=True)
class JsonEvent:
    """An event that is JSON. Members are written into its text, so all else keeps its spelling."""

    value: bytes
    text: str
    document: dict[str, Any]

    @property
    def is_large(self) -> bool:
        return len(self.value) >= PARSE_IN_THREAD_BYTES

    def check_place(self, path: Path) -> None:
        if (obstacle := find_obstacle(self.document, path)) is not None:
            raise NotAnObject(obstacle)

    async def prepare(self) -> None:
        """No-op."""

    def encode(self, members: Mapping[Path, Any]) -> EncodedEvent:
        written = Members()
        for path, value in members.items():
            written.put(path, to_json(value))
        try:
            if self.document.keys().isdisjoint(written):
                text = append_members(self.text, written, is_first=not self.document)
            else:
                text = write_members(self.text, written)
        except RecursionError:
            raise MemberRefused("it is nested too deeply") from None
        mark = BYTE_ORDER_MARK if self.value.startswith(BYTE_ORDER_MARK) else b""
        return EncodedEvent(mark + text.encode(errors="surrogatepass"))


class JsonFormat:
    """The format of events that are JSON."""

    async def decode(self, record: Record) -> JsonEvent:
        value = record.value or b""
        return (
            await asyncio.to_thread(parse_event, value) if len(value) >= PARSE_IN_THREAD_BYTES else parse_event(value)
        )


def parse_event(value: bytes) -> JsonEvent:
    """Return the event in `value`, JSON in UTF-8. Raise `EventUnreadable`."""
    try:
        text = value.removeprefix(BYTE_ORDER_MARK).decode()
        document = _read_json(text)
    except (ValueError, RecursionError):
        hint = f"; {SCHEMA_HINT}" if value[:1] == b"\0" else ""
        raise EventUnreadable(f"the event is no JSON in UTF-8{hint}") from None
    if not isinstance(document, dict):
        raise EventUnreadable("the event is no JSON object")
    return JsonEvent(value, text, document)


def _read_json(text: str) -> Any:
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # a number of more digits than `int` reads
        return _decoder_of_long_numbers.decode(text)
