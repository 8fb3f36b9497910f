"""Answers that are streamed: server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), and
the alternatives of some servers: one JSON document, or one on each line.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2

from carteiro.models.cloud.response_body import BodyTooLarge, IncompleteBody, iter_chunks, parse_lenient_json

MAX_EVENT_BYTES = 16 * 2**20
"""Maximum bytes of one line, and of one event. The last event of the Responses API repeats the whole answer."""
_MAX_DOCUMENTS = 10_000
"""Maximum number of JSON documents in one event, or in a document that is a list."""
_LINGER_SECONDS = 5.0
"""Seconds for the usage and the end of the connection, after the answer is complete."""
_ERROR = "error"

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its JSON, and its name if it has one. `last` is True for the end of the stream.

    An event named `error` has the error under `error`.
    """

    data: Any = None
    name: str = ""
    last: bool = False


_END_OF_STREAM = Event(last=True)


async def read_events(response: httpx2.Response, is_finished: Callable[[], bool]) -> AsyncGenerator[Event, None]:
    """Yield the events of an answer, up to the event that ends the stream.

    After `is_finished` returns True, a connection that stays open or breaks is not an error. Raise `BodyTooLarge` or
    `IncompleteBody`.
    """
    decoder, body, last = EventDecoder(), iter_chunks(response), False
    loop = asyncio.get_running_loop()
    until: float | None = None
    while True:
        over = last or is_finished()
        if over and until is None:
            until = loop.time() + _LINGER_SECONDS
        try:
            async with asyncio.timeout_at(until):
                chunk = await anext(body, None)
        except (TimeoutError, IncompleteBody):
            if over:
                break
            raise
        for event in decoder.feed(chunk) if chunk is not None else decoder.end():
            last = last or event.last
            if event.last or not last:
                yield event
            if isinstance(event.data, dict) and event.data.get("choices"):
                until = None  # Some servers give a finish reason with each piece.
        if chunk is None:
            break


class EventDecoder:
    """Decoder of events from bytes in chunks of any size. Invalid text is left out.

    Raise `BodyTooLarge` for a line or an event that is too long.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._after_return = False
        """True if the last byte was a carriage return. A line feed after it does not end another line."""
        self._has_content = False
        self._name, self._data, self._size = "", list[bytes](), 0
        self._documents: list[bytes] | None = None
        """Lines of JSON without fields; None if the stream has events."""

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that the chunk completes."""
        if self._after_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_return = False
        if not chunk:
            return
        self._after_return = chunk.endswith(b"\r")
        *ended, rest = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for part in ended:
            self._extend(part)
            line = bytes(self._line)
            self._line.clear()
            yield from self._read(line)
        self._extend(rest)

    def end(self) -> Iterator[Event]:
        """Yield the rest: events without the blank line that would end them."""
        line = bytes(self._line)
        self._line.clear()
        if line:
            yield from self._read(line)
        if self._documents is not None:
            yield from _documents(self._documents)
        else:
            yield from self._dispatch()

    def _extend(self, part: bytes) -> None:
        if len(self._line) + len(part) > MAX_EVENT_BYTES:
            raise BodyTooLarge(MAX_EVENT_BYTES)
        self._line += part

    def _read(self, line: bytes) -> Iterator[Event]:
        if not self._has_content:
            line = line.removeprefix(_BOM)
            self._has_content = bool(line.strip())
            if line.lstrip().startswith((b"{", b"[")):
                self._documents = []
        if self._documents is not None:
            yield from self._read_document(line)
        elif not line.strip():
            yield from self._dispatch()
        elif line.startswith((b"{", b"[")):  # A server wrote an error without a field.
            yield from self._dispatch()
            yield from _documents([line])
        else:
            self._read_field(line)

    def _read_field(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match field.strip().lower():
            case b"data" | b"error" as kind:
                if kind == b"error":  # llama.cpp writes an error as a field of its own.
                    self._name = _ERROR
                self._size += len(value)
                if self._size > MAX_EVENT_BYTES:
                    raise BodyTooLarge(MAX_EVENT_BYTES)
                self._data.append(value)
            case b"event":
                self._name = value[:100].decode(errors="replace").strip().lower()
            case _:
                pass  # These are comments (an empty name), `id`, `retry`, and unknown fields.

    def _dispatch(self) -> Iterator[Event]:
        name, data = self._name, self._data
        self._name, self._data, self._size = "", [], 0
        if data:
            yield from _documents(data, name)

    def _read_document(self, line: bytes) -> Iterator[Event]:
        assert self._documents is not None
        self._size += len(line)
        if self._size > MAX_EVENT_BYTES:
            raise BodyTooLarge(MAX_EVENT_BYTES)
        self._documents.append(line)
        ends = line[:1].strip() and line.rstrip().endswith((b"}", b"]"))
        if ends and (found := _parsed(self._documents)) is not None:
            self._documents, self._size = [], 0
            yield from _events(found, "")


def _documents(lines: list[bytes], name: str = "") -> Iterator[Event]:
    """Yield the JSON of several lines: of all lines together, or else of each line that is JSON."""
    found = _parsed(lines)
    if found is not None:
        yield from _events(found, name)
        return
    for raw in lines[:_MAX_DOCUMENTS]:
        line = raw.strip().removeprefix(b"data:").strip()
        if line.upper() in (b"[DONE]", b'"[DONE]"'):
            yield _END_OF_STREAM
        elif line and (found := _parsed([line])) is not None:
            yield from _events(found, name)
        elif line and name == _ERROR:
            yield from _events(line[:1000].decode(errors="replace"), name)


def _events(found: Any, name: str) -> Iterator[Event]:
    if isinstance(found, str) and found.upper() == "[DONE]":
        yield _END_OF_STREAM
    elif name == _ERROR and not (isinstance(found, dict) and found.get("error")):
        yield Event({"error": found if isinstance(found, dict) else {"message": str(found)[:1000]}}, name)
    elif isinstance(found, list):
        yield from (Event(each, name) for each in found[:_MAX_DOCUMENTS] if isinstance(each, dict))
    elif isinstance(found, dict):
        # Some servers give an event's type only in its name.
        yield Event({"type": name} | found if name else found, name)


def _parsed(lines: list[bytes]) -> Any:
    """Return the JSON in the lines; None if they are not JSON."""
    try:
        return parse_lenient_json(b"\n".join(lines).decode(errors="surrogateescape"))
    except ValueError:
        return None
