"""The text, the reasoning, the refusal and the calls of tools in a message, in the forms of different servers."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from carteiro.models.written_calls import WrittenCall, read_call, read_calls
from carteiro.text.surrogates import repair_unicode

_REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
"""DeepSeek's, vLLM's and OpenRouter's, Ollama's; the last field repeats `reasoning` in parts (OpenRouter)."""
_REASONING_TYPE = re.compile("think|reason|thought|summary")
"""Words in a part's type that mark it as reasoning."""
_NON_TEXT_TYPE = re.compile("tool|function|image|audio|file|call")
_TEXT_FIELDS = ("text", "content", "value", "thinking", "reasoning", "summary", "parts", "output_text")
"""Fields in which a part may have its text. The value of each field may be a list of parts again."""
_MAX_DEPTH = 6


@dataclass(slots=True)
class Content:
    """The parts of a message. `text` is None if the message has no field for it; it may be empty."""

    text: str | None = None
    reasoning: str = ""
    refusal: str = ""
    tool_calls: list[WrittenCall] = field(default_factory=list)

    def add_text(self, text: str) -> None:
        """Add to the text."""
        self.text = (self.text or "") + text

    def add(self, other: "Content") -> None:
        """Add the content that comes next."""
        if other.text is not None:
            self.add_text(other.text)
        self.reasoning += other.reasoning
        self.refusal += other.refusal
        self.tool_calls += other.tool_calls


def read_message(message: Any) -> Content:
    """Read a message, or a piece of one (`delta`). Unreadable parts are left out."""
    found = Content()
    if not isinstance(message, dict):
        _read_part(message, found)
        return found
    _read_part(message.get("content"), found)
    for name in _REASONING_FIELDS:
        if shown := _reasoning_text(message.get(name)):
            found.reasoning += shown
            break
    if isinstance(refusal := message.get("refusal"), str):
        found.refusal += refusal
    if message.get("tool_calls") or message.get("function_call"):
        found.tool_calls += read_calls(message)
    return found


def read_parts(parts: Any) -> Content:
    """Read a content: a text, a part, or a list of them."""
    found = Content()
    _read_part(parts, found)
    return found


def _read_part(part: Any, found: Content, depth: int = 0) -> None:
    if isinstance(part, str):
        found.add_text(part)
    elif isinstance(part, list) and depth < _MAX_DEPTH:
        for each in part:
            _read_part(each, found, depth + 1)
    elif isinstance(part, dict) and part and depth < _MAX_DEPTH:
        kind = part.get("type")
        kind = kind.lower() if isinstance(kind, str) else ""
        if kind in ("tool_use", "function_call") and part.get("name"):
            found.tool_calls.append(read_call(part))
        elif kind == "refusal" or (not kind and isinstance(part.get("refusal"), str)):
            found.refusal += _inner_text(part, depth, "refusal")
        elif part.get("thought") is True or _REASONING_TYPE.search(kind):  # The first test is for Gemini.
            found.reasoning += _inner_text(part, depth)
        elif not _NON_TEXT_TYPE.search(kind):
            names = _TEXT_FIELDS if kind or depth else _TEXT_FIELDS[:2]
            inner = next((part[name] for name in names if part.get(name) is not None), None)
            if inner is not None:
                _read_part(inner, found, depth + 1)
            elif not depth:  # The answer holds the JSON that was requested as data, not as text.
                with suppress(RecursionError):
                    found.add_text(json.dumps(part, ensure_ascii=False))


def _inner_text(part: dict[str, Any], depth: int, *names: str) -> str:
    found = Content()
    inner = next((part[name] for name in (*names, *_TEXT_FIELDS) if part.get(name)), None)
    _read_part(inner, found, depth + 1)
    return (found.text or "") + found.reasoning + found.refusal


def _reasoning_text(value: Any, depth: int = 0) -> str:
    """Return the text of a field for reasoning: a text, a part, or a list of parts."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return _inner_text(value, depth)
    if isinstance(value, list) and depth < _MAX_DEPTH:
        return "".join(_reasoning_text(each, depth + 1) for each in value)
    return ""


def is_filtered(value: Any, depth: int = 0) -> bool:
    """Return True if a filter's results (Azure) or feedback (Gemini) say that something was stopped."""
    if isinstance(value, list):
        return depth < _MAX_DEPTH and any(is_filtered(each, depth + 1) for each in value[:100])
    if not isinstance(value, dict) or depth >= _MAX_DEPTH:
        return False
    if value.get("filtered") is True or any(value.get(name) for name in ("blockReason", "block_reason")):
        return True
    nested: Sequence[Any] = [each for each in value.values() if isinstance(each, dict)]
    results = value.get("content_filter_results") or ()
    return any(each.get("filtered") is True for each in nested) or is_filtered(results, depth + 1)


@dataclass(slots=True)
class IncrementalTextDecoder:
    """Decoder of text in pieces that may end within a character: between the halves of a surrogate pair, or within its
    UTF-8.

    Bytes that are not UTF-8 are expected in the form of `surrogateescape`.
    """

    _buffer: list[str] = field(default_factory=list)

    def add(self, text: str) -> str:
        """Return the complete characters."""
        text = "".join([*self._buffer, text])
        kept = _HALF.search(text)
        self._buffer = [text[kept.start() :]] if kept else []
        return repair_unicode(text[: kept.start()] if kept else text)

    def end(self) -> str:
        """Return the incomplete rest, with a replacement for the missing half."""
        text, self._buffer = "".join(self._buffer), []
        return repair_unicode(text)


_HALF = re.compile(
    # A half after the first half of a pair is no byte of UTF-8.
    "([\ud800-\udbff]|(?<![\ud800-\udbff])"
    "(?:[\udcc2-\udcdf]|[\udce0-\udcef][\udc80-\udcbf]?|[\udcf0-\udcf4][\udc80-\udcbf]{0,2}))\\Z"
)
