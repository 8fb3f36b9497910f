"""Search for JSON inside other text that models write around it: fences, sentences, other JSON.

Time is linear in the text's length: no character is decoded twice.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

_MAX_STARTS, _MAX_CANDIDATES = 1000, 64
_BLANKS = "\ufeff \t\r\n"
_FENCE = re.compile(r"(?<![`~])(`{3,}+|~{3,}+)[^\n`~]*\n(.*?)(?:\n[ \t]*\1|\Z)", re.DOTALL)
_VALUE_START = re.compile(r'\{\s{0,64}["}]|\[\s{0,64}(?:["\[{\]\-0-9]|true|false|null)')
_VALUE_DECODER = json.JSONDecoder(parse_int=len, parse_float=len)
"""Decoder that finds the end of a value. It does not convert numbers, because long numbers would take long."""


def strict_json(text: str) -> Any:
    """Return the data in a text.

    Raise `ValueError` for text that is not JSON, or JSON that could not be passed on: nested 200 deep, with half a
    surrogate pair, or with an unlimited number.
    """
    data = from_json(text.encode(), allow_inf_nan=False)  # half a pair is no UTF-8: UnicodeEncodeError
    json.dumps(data, allow_nan=False)
    return data


def json_values(text: str) -> Iterator[tuple[Any, str]]:
    """Yield the JSON values in a text, each with its source text.

    If all of the text is JSON, that is the only value. Otherwise they are its objects, arrays, and fenced blocks, at
    most 64.
    """
    text = text.strip(_BLANKS)
    try:
        yield strict_json(text), text
        return
    except ValueError:
        pass
    count = 0
    for candidate in _candidates(text):
        try:
            yield strict_json(candidate), candidate
        except ValueError:
            continue
        count += 1
        if count == _MAX_CANDIDATES:
            return


def unwrap(data: Any) -> list[Any]:
    """Return the content of data that is only a wrapping: the JSON in a string, the only item, the only property."""
    match data:
        case str():
            try:
                return [strict_json(data.strip(_BLANKS))]
            except ValueError:
                return []
        case list() if len(data) == 1:
            return data
        case dict() if len(data) == 1:
            return list(data.values())
    return []


def _candidates(text: str) -> Iterator[str]:
    for fence in _FENCE.finditer(text):
        content = fence[2].strip(_BLANKS)
        if content and content[0] not in "{[":  # objects and lists are found below
            yield content
    at = 0
    for _ in range(_MAX_STARTS):
        start = _VALUE_START.search(text, at)
        if start is None:
            return
        try:
            _, at = _VALUE_DECODER.raw_decode(text, start.start())
        except json.JSONDecodeError as error:
            if error.msg.startswith("Unterminated"):
                return
            # Values inside a broken or cut value are parts of it, and no answer.
            at = max(error.pos, start.start() + 1)
        except RecursionError:
            return
        else:
            yield text[start.start() : at]
