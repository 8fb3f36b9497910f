"""Calls of tools that a model wrote, in the forms of different servers.

Forms: OpenAI's `tool_calls` and its former `function_call` (https://platform.openai.com/docs/api-reference/chat/object),
Anthropic's blocks `tool_use`, and the items `function_call` of Responses. Servers that speak these APIs leave out ids,
give all calls the same index, send the arguments as an object, or repeat the name in each piece.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from carteiro.models.json_search import strict_json
from carteiro.models.prompt import RawToolCall
from carteiro.schemas import FinishReason
from carteiro.text.surrogates import repair_unicode

MAX_CALLS = 128
"""Maximum number of calls in an answer. More are a model that repeats itself."""
_MAX_CHARACTERS = 2**20
"""Maximum characters of one call's arguments."""
_MAX_NAME = 64
_NO_NAME_CHARACTER = re.compile("[^A-Za-z0-9_-]")
_MAX_SIGNATURE = 131_072
"""Maximum characters of a signature, which a caller can send back."""
_ID_LENGTH = 9
_ID_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(slots=True)
class WrittenCall:
    """One call, or a piece of it, as a server sends it."""

    id: str = ""
    name: str = ""
    arguments: str = ""
    signature: str | None = None
    index: int | None = None

    @property
    def is_complete(self) -> bool:
        """True if the arguments are complete JSON, or there are none."""
        if not self.arguments.strip():
            return True
        try:
            strict_json(self.arguments)
        except ValueError:
            return False
        return True


def read_calls(message: dict[str, Any]) -> list[WrittenCall]:
    """Return the calls in a message of Chat Completions, or in a piece of one. Unreadable entries are left out."""
    given = message.get("tool_calls")
    entries = given if isinstance(given, list) else [given]  # A single call may come without its list.
    found = [read_call(each) for each in entries[:MAX_CALLS] if isinstance(each, dict)]
    if not found and isinstance(legacy := message.get("function_call"), dict):
        found = [read_call({"function": legacy})]
    return found


def read_call(entry: dict[str, Any]) -> WrittenCall:
    """Return the call of one entry: of `tool_calls`, a block `tool_use`, or an item `function_call`."""
    function = entry["function"] if isinstance(entry.get("function"), dict) else entry
    arguments = next((function[name] for name in ("arguments", "input", "parameters") if name in function), None)
    index = entry.get("index")
    return WrittenCall(
        id=next((each for each in (entry.get("call_id"), entry.get("id")) if isinstance(each, str)), ""),
        name=function["name"].strip() if isinstance(function.get("name"), str) else "",
        arguments=_text_of(arguments)[:_MAX_CHARACTERS],
        signature=_signature(entry),
        index=index if isinstance(index, int) and not isinstance(index, bool) else None,
    )


def _text_of(arguments: Any) -> str:
    if isinstance(arguments, str):
        return arguments
    if arguments is None or arguments == {}:
        return ""
    with suppress(RecursionError):
        return json.dumps(arguments, ensure_ascii=False)
    return ""


def _signature(entry: dict[str, Any]) -> str | None:
    """Return the thought signature, without which Gemini rejects the result of the call
    (https://ai.google.dev/gemini-api/docs/thought-signatures, "OpenAI compatibility").
    """
    extra = entry.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return signature if isinstance(signature, str) and len(signature) <= _MAX_SIGNATURE else None


class CallAccumulator:
    """Accumulator of the calls of an answer that is streamed.

    OpenAI sends the id and the name in a call's first piece, and the same index in all its pieces.
    """

    def __init__(self) -> None:
        self.calls: list[WrittenCall] = []

    def add(self, pieces: Sequence[WrittenCall]) -> None:
        """Add the pieces of one event. Two pieces of an event are never of the same call, unless they say so."""
        extended: set[int] = set()
        for piece in pieces:
            place = self._place_of(piece, extended)
            if place is None:
                if len(self.calls) < MAX_CALLS:
                    self.calls.append(piece)
                    extended.add(len(self.calls) - 1)
                continue
            extended.add(place)
            self._extend(self.calls[place], piece)

    def _place_of(self, piece: WrittenCall, extended: set[int]) -> int | None:
        """Return the position of the call that a piece belongs to; None for a new call."""
        if piece.id and (same := next((n for n, call in self._newest() if call.id == piece.id), None)) is not None:
            return same
        candidates = [
            (n, call) for n, call in self._newest() if piece.index is None or call.index in (None, piece.index)
        ]
        if not candidates:
            return None
        place, call = candidates[0]
        if piece.name and ((piece.id and call.id) or place in extended):
            return None  # Servers that give all calls the index 0 begin each with its name.
        if place in extended and piece.index is None:
            return None
        if piece.name and call.arguments.strip() and call.is_complete:
            return place if piece.name == call.name and not piece.arguments.strip() else None
        return place

    def _newest(self) -> Iterator[tuple[int, WrittenCall]]:
        return reversed(list(enumerate(self.calls)))

    def _extend(self, call: WrittenCall, piece: WrittenCall) -> None:
        call.id = call.id or piece.id
        call.signature = call.signature or piece.signature
        # Some servers repeat the whole name in each piece.
        if piece.name and piece.name != call.name and len(call.name) <= _MAX_NAME:
            call.name += piece.name
        if len(call.arguments) < _MAX_CHARACTERS:
            call.arguments += piece.arguments


def tool_calls(written: Sequence[WrittenCall], position: int) -> tuple[RawToolCall, ...]:
    """Return the first 128 calls, with names that all providers take and their final ids. `position` is the number of
    messages before the answer.

    Models also invent names, such as `functions.weather`. An earlier call with such a name is an error for providers.
    An id has 9 letters and digits, which all providers take: Mistral takes nothing else. It is a digest of the
    provider's own id, so that the same answer gives the same ids.
    """
    calls: list[RawToolCall] = []
    known: set[str] = set()
    for number, each in enumerate(written[:MAX_CALLS]):
        identity = each.id or f"{position}/{number}/{each.name}/{each.arguments}"
        call_id = normal_id(identity)
        if call_id in known:
            call_id = normal_id(f"{number}/{identity}")
        known.add(call_id)
        name = _NO_NAME_CHARACTER.sub("_", each.name[:_MAX_NAME]) or "_"
        signature = each.signature and repair_unicode(each.signature)
        calls.append(RawToolCall(call_id, name, repair_unicode(each.arguments), signature))
    return tuple(calls)


def finish_reason(calls: Sequence[WrittenCall], *, cut: bool) -> FinishReason:
    """Return the finish reason of an answer with calls. `cut` is True if a limit of tokens ended it."""
    return "length" if cut and not calls[-1].is_complete else "tool_calls"


def normal_id(call_id: str) -> str:
    """Return an id that all providers take: this one, or a digest of it."""
    if len(call_id) == _ID_LENGTH and call_id.isascii() and call_id.isalnum():
        return call_id
    number = int.from_bytes(hashlib.sha256(call_id.encode(errors="replace")).digest()[:8], "big")
    letters = ""
    for _ in range(_ID_LENGTH):
        number, letter = divmod(number, len(_ID_ALPHABET))
        letters += _ID_ALPHABET[letter]
    return letters


def arguments_object(call: RawToolCall) -> dict[str, Any]:
    """Return the arguments of a call as an object; an empty one if they are none."""
    try:
        data = strict_json(call.arguments)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
