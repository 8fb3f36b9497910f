"""Values of a model with their places in the text."""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from carteiro.models.errors import InvalidOutput
from carteiro.text.grounding import content_words, find_numbers, find_numerals
from carteiro.text.quotation import QuotedText

Span = tuple[int, int]
_MAX_VALUES = 10_000
"""Maximum number of values of a text or a part. More do not fit into a reply, and each is looked up in the text."""
_PATH_MARKS = re.compile(r"[$./\[\]]+")


@dataclass(frozen=True, slots=True)
class GroundedValue:
    """A value, and its place in the text; None if it does not stand there."""

    value: Any
    span: Span | None


class Grounder:
    """Finds values in one part of a text, which begins at character `offset` of the whole."""

    def __init__(self, text: str, offset: int, constants: Collection[str]) -> None:
        """`constants` are texts that may follow from a quotation although they do not stand in it."""
        self._text, self._offset, self._constants = text, offset, constants
        self._quoted, self._values = QuotedText(text), 0
        self._numerals = defaultdict[float, list[Span]](list)
        for number, *span in find_numerals(text):
            self._numerals[number].append((span[0], span[1]))

    def ground(self, data: Any, quotes: Mapping[str, str], path: str = "") -> Any:
        """Return the data with a `GroundedValue` in place of each value but null. `quotes` are by the values' paths.

        Raise `InvalidOutput` if there are too many values.
        """
        if isinstance(data, dict):
            return {name: self.ground(each, quotes, f"{path}.{name}" if path else name) for name, each in data.items()}
        if isinstance(data, list):
            return [self.ground(each, quotes, f"{path}.{at}" if path else str(at)) for at, each in enumerate(data)]
        if data is None:
            return None
        self._values += 1
        if self._values > _MAX_VALUES:
            raise InvalidOutput(f"the model found more than {_MAX_VALUES:,} values in a part of the text")
        span = self._find(data, self._quoted.find(quotes.get(path, ""), min_letters=1))
        return GroundedValue(data, span and (span[0] + self._offset, span[1] + self._offset))

    def _find(self, value: Any, quoted: Span | None) -> Span | None:
        """Return the place of a value, in its quotation if it has one."""
        if isinstance(value, bool):
            return quoted
        if isinstance(value, int | float):
            return self._find_number(value, quoted)
        if quoted is None:
            return self._quoted.find(value, min_letters=1)
        words = self._text[slice(*quoted)]
        if inner := QuotedText(words).find(value, min_letters=1):
            return quoted[0] + inner[0], quoted[0] + inner[1]
        if value in self._constants or content_words(value) & content_words(words) or _share_number(value, words):
            return quoted
        return self._quoted.find(value, min_letters=1)

    def _find_number(self, value: float, quoted: Span | None) -> Span | None:
        places = self._numerals.get(abs(value), [])
        if quoted:
            if inner := next((each for each in places if quoted[0] <= each[0] and each[1] <= quoted[1]), None):
                return inner
            if str(abs(value)).removesuffix(".0") in find_numbers(self._text[slice(*quoted)]):
                return quoted  # a number in words
        return next(iter(places), None)


def plain_path(path: str) -> str:
    """Return a path as this module writes it; models also write `$.items[0].price`, `data.name` and `/items/0`."""
    parts = [each for each in _PATH_MARKS.split(path) if each]
    return ".".join(parts[1:] if len(parts) > 1 and parts[0] == "data" else parts)


def merge(first: Any, second: Any) -> Any:
    """Return the grounded data of two parts of a text: lists are joined, and a value of the first part goes first.

    A value that does not stand in the text goes behind one that does.
    """
    if isinstance(first, dict) and isinstance(second, dict):
        return {name: merge(first.get(name), second.get(name)) for name in first | second}
    if isinstance(first, list) and isinstance(second, list):
        known = set(map(_identity, first))
        return [*first, *(each for each in second if _identity(each) not in known)]
    if first is None or first == {}:
        return second
    if isinstance(first, GroundedValue) and isinstance(second, GroundedValue) and first.span is None and second.span:
        return second
    return first


def _identity(node: Any) -> str:
    return json.dumps(bare(node), sort_keys=True)


def bare(node: Any) -> Any:
    """Return the data without places."""
    if isinstance(node, dict):
        return {name: bare(each) for name, each in node.items()}
    if isinstance(node, list):
        return [bare(each) for each in node]
    return node.value if isinstance(node, GroundedValue) else node


def without_ungrounded(node: Any) -> Any:
    """Return grounded data without the values that do not stand in the text."""
    if isinstance(node, dict):
        return {name: without_ungrounded(each) for name, each in node.items() if _is_grounded(each)}
    return [without_ungrounded(each) for each in node if _is_grounded(each)] if isinstance(node, list) else node


def spans_of(node: Any, path: str = "") -> Iterator[tuple[str, list[int] | None]]:
    """Yield the path of each grounded value, and its place."""
    if isinstance(node, dict | list):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for name, each in items:
            yield from spans_of(each, f"{path}.{name}" if path else str(name))
    elif isinstance(node, GroundedValue):
        yield path, list(node.span) if node.span else None


def _share_number(value: str, words: str) -> bool:
    """Return True if a number of the value is in the words: a date is often written in another form."""
    return bool({number for number, *_ in find_numerals(value)} & {number for number, *_ in find_numerals(words)})


def _is_grounded(node: Any) -> bool:
    return not isinstance(node, GroundedValue) or node.span is not None
