"""Writes members into a JSON object without touching the rest of its text.

The text is not parsed and written again: numbers of any size and precision, the order of keys, escapes and spaces stay
as the producer wrote them.
"""

import json
import re
from typing import Any

from carteiro.wire.event_format import MemberRefused

_SPACE, _COLON, _COMMA = (re.compile(rf"[ \t\n\r]*{each}[ \t\n\r]*") for each in ("", ":", ",?"))
# `int` refuses numbers of more than 4,300 digits. The values are only skipped.
_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_read_value = json.JSONDecoder(strict=False, parse_int=float).raw_decode


class NotJson(ValueError):
    """A value has no JSON text."""


class NotAnObject(MemberRefused):
    """A member has to be written into a value that is no object. `path` names that value."""

    def __init__(self, path: tuple[str, ...]) -> None:
        super().__init__(f"{'.'.join(path) or 'the event'} is no object")
        self.path = path


class Members(dict[str, "Members | Json"]):
    """Members to write: a value for a name, or the members to write into the object of that name."""

    def put(self, path: tuple[str, ...], value: "Json") -> None:
        """Add `value` at `path`. It replaces what was added there before."""
        name, *rest = path
        if not rest:
            self[name] = value
            return
        inner = self.get(name)
        if not isinstance(inner, Members):
            inner = self[name] = Members()
        inner.put(tuple(rest), value)


class Json(str):
    """JSON text of a value."""

    __slots__ = ()


def write_members(text: str, members: Members) -> str:
    """Return `text`, the JSON text of an object, with `members` written into it.

    A member that is there keeps its place and gets the new value; others are appended. Raise `NotAnObject` if `text` is
    no object, or a value that members go into.
    """
    start = _skip(_SPACE, text, 0)
    parts = [text[:start]]
    end = _write_object(text, start, members, (), parts)
    parts.append(text[end:])
    return "".join(parts)


def append_members(text: str, members: Members, *, is_first: bool) -> str:
    """Return `text`, the JSON text of an object, with `members` as its last ones. It has none of these names.

    `is_first` is true if the object is empty. The text is not read, so this is much faster than `write_members`.
    """
    end = text.rindex("}")
    return f"{text[:end]}{'' if is_first else ','}{_inner_text(members)}{text[end:]}"


def _write_object(text: str, start: int, members: Members, path: tuple[str, ...], parts: list[str]) -> int:
    """Append the object at `start` with `members` to `parts`. Return the index after the object."""
    if text[start : start + 1] != "{":
        raise NotAnObject(path)
    missing, copied, at = dict(members), start, _skip(_SPACE, text, start + 1)
    is_empty = text[at] == "}"
    while text[at] != "}":
        name, at = _read_value(text, at)
        at = _skip(_COLON, text, at)
        if name not in members:
            _, at = _read_value(text, at)
        else:
            missing.pop(name, None)
            parts.append(text[copied:at])
            member = members[name]
            if isinstance(member, Members):
                at = _write_object(text, at, member, (*path, name), parts)
            else:
                _, at = _read_value(text, at)
                parts.append(member)
            copied = at
        at = _skip(_COMMA, text, at)
    parts.append(text[copied:at])
    if missing:
        parts.append(("" if is_empty else ",") + _inner_text(missing))
    parts.append("}")
    return at + 1


def _inner_text(members: dict[str, "Members | Json"]) -> str:
    return ",".join(
        f"{to_json(name)}:" + (f"{{{_inner_text(member)}}}" if isinstance(member, Members) else member)
        for name, member in members.items()
    )


def to_json(value: Any) -> Json:
    """Return the JSON text of `value`, which has UTF-8. Raise `NotJson`."""
    try:
        text = _encoder.encode(value)
    except (TypeError, ValueError, RecursionError):
        raise NotJson("has no JSON text: it has NaN, an infinite number or `&`, or is nested too deeply") from None
    # Half of a surrogate pair, which JSON can escape, has no UTF-8.
    return Json(text if _has_utf8(text) else json.dumps(value, separators=(",", ":")))


def _has_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _skip(pattern: re.Pattern[str], text: str, start: int) -> int:
    found = pattern.match(text, start)
    assert found is not None, "the text is no JSON"
    return found.end()
