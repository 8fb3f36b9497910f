"""Indentation of JSON for a reader, without a change of its values."""

import json
import re

_PART = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_OPEN, _CLOSE, _INDENT = ("{", "["), ("}", "]"), "  "


def indent_json(text: str) -> str:
    """Return a JSON text with a line for each value.

    Numbers keep their spelling, and members that are there twice stay. Escapes in strings become characters. Raise
    `ValueError` or `RecursionError` if `text` is no JSON.
    """
    json.loads(text, parse_int=float)  # `int` refuses numbers of more than 4,300 digits
    parts, depth, before = list[str](), 0, ""
    for part in _PART.findall(text):
        depth -= part in _CLOSE
        is_empty = before in _OPEN and part in _CLOSE
        if before == "," or ((before in _OPEN or part in _CLOSE) and not is_empty):
            parts.append(f"\n{_INDENT * depth}")
        depth += part in _OPEN
        parts.append(_spelled(part))
        before = part
    return "".join(parts)


def _spelled(part: str) -> str:
    if part.startswith('"'):
        return json.dumps(json.loads(part), ensure_ascii=False)
    return ": " if part == ":" else part
