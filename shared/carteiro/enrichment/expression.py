"""JMESPath expressions over an event, and the paths that they read."""

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

import jmespath
from jmespath.exceptions import (
    ArityError,
    IncompleteExpressionError,
    JMESPathError,
    JMESPathTypeError,
    ParseError,
    UnknownFunctionError,
)
from jmespath.parser import ParsedResult
from jmespath.visitor import TreeInterpreter

from carteiro.enrichment.expression_growth import growth

Path = tuple[str, ...]
"""Names of nested members, from the event's root. The empty path is the whole event."""

_SCOPED_RIGHT = ("subexpression", "index_expression", "pipe", "projection", "value_projection", "filter_projection")
"""Nodes whose later parts are evaluated on the result of their first part, and not on the event."""


_MAX_GROWTH = 1000


class InvalidExpression(ValueError):
    """The text is no JMESPath expression. The message says what is wrong."""


class ExpressionFailed(Exception):
    """The expression cannot be evaluated on this event. The message names types, and no values of the event."""


class Expression:
    """A compiled expression. https://jmespath.org/specification.html"""

    def __init__(self, text: str) -> None:
        """Compile `text`. Raise `InvalidExpression`."""
        self.text = text
        try:
            self._compiled = jmespath.compile(text)
            grown = growth(self._compiled.parsed)
            if grown <= _MAX_GROWTH:
                _check_functions(self._compiled)
        except JMESPathError as error:
            raise InvalidExpression(_syntax_message(text, error)) from None
        except RecursionError:
            raise InvalidExpression(f"{_shortened(text)!r} is nested too deeply") from None
        except ValueError:
            raise InvalidExpression(f"{_shortened(text)!r} has a number that is too long") from None
        if grown > _MAX_GROWTH:
            raise InvalidExpression(
                f"{_shortened(text)!r} can make an event {grown:,} times as large; at most {_MAX_GROWTH:,}"
            )
        self._interpreter = TreeInterpreter()  # `search` makes one for each event
        self.tree: Mapping[str, Any] = self._compiled.parsed
        """Syntax tree, in the library's form."""
        self.reads = frozenset(_root_paths(self._compiled.parsed))
        """Paths of the event that the value depends on. A path that contains the empty path is the whole event."""

    def evaluate(self, event: Any) -> Any:
        """Return the value of the expression on `event`, a JSON value. Raise `ExpressionFailed`."""
        try:
            return self._interpreter.visit(self._compiled.parsed, event)
        except JMESPathTypeError as error:
            expected = " or ".join(dict.fromkeys(str(each) for each in error.expected_types))
            raise ExpressionFailed(
                f"{self.text}: {error.function_name}() takes {expected}, and the event has {error.actual_type}"
            ) from None
        except RecursionError:
            raise ExpressionFailed(f"{self.text}: the event is nested too deeply") from None
        except Exception as error:  # noqa: BLE001  # functions of the library fail in many ways on odd values
            raise ExpressionFailed(f"{self.text}: cannot be evaluated on this event ({type(error).__name__})") from None

    def is_true(self, event: Any) -> bool:
        """Return True if the value is true by JMESPath's rule: false are null, false, and what is empty.

        Raise `ExpressionFailed`.
        """
        value = self.evaluate(event)
        return not (value is None or value is False or value in ("", [], {}))

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"


def _check_functions(compiled: ParsedResult) -> None:
    """Raise `JMESPathError` if a function is unknown or has another number of arguments.

    The library only checks them at an evaluation.
    """
    try:
        compiled.search({})
    except (ArityError, UnknownFunctionError, RecursionError):
        raise
    except Exception:  # noqa: BLE001, S110  # the value depends on an event, and there is no event yet
        pass


def parse_path(text: str) -> Path:
    """Return the path that `text` names: identifiers with dots between them, as in JMESPath. Raise `ValueError`."""
    try:
        node = jmespath.compile(text).parsed
        paths = list(_root_paths(node))
        if len(paths) == 1 and paths[0] and _is_plain(node):
            ".".join(paths[0]).encode()
            return paths[0]
    except (JMESPathError, RecursionError, UnicodeEncodeError):
        pass
    raise ValueError(f'{text!r} is no path: write names with dots between them, such as ai.summary, or "a-b".c')


def overlaps(one: Path, other: Path) -> bool:
    """Return True if a value at one path contains, or is contained in, a value at the other path."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _is_plain(node: Any) -> bool:
    return bool(node["type"] == "field") or (node["type"] == "subexpression" and all(map(_is_plain, node["children"])))


def _root_paths(node: Any) -> Iterator[Path]:
    if not isinstance(node, dict):
        return
    kind, children = node["type"], node["children"]
    if kind in ("current", "identity"):
        yield ()
    elif kind == "field":
        yield (node["value"],)
    elif kind == "subexpression":
        yield from _extended(children)
    elif kind in _SCOPED_RIGHT:
        yield from _root_paths(children[0])
    else:
        for child in children:
            yield from _root_paths(child)


def _extended(children: list[Any]) -> Iterator[Path]:
    """Yield the paths of `a.b.c`: those of `a`, with the names after it appended as far as they are plain names."""
    first, *rest = children
    tail = tuple(each["value"] for each in takewhile(lambda each: each["type"] == "field", rest))
    for path in _root_paths(first):
        yield (*path, *tail) if first["type"] in ("field", "subexpression") else path


def _shortened(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:100]}..."


def _syntax_message(text: str, error: JMESPathError) -> str:
    shown = _shortened(text)
    if isinstance(error, ArityError):
        return f"{shown!r}: {error.function_name}() takes another number of arguments than {error.actual_arity}"
    if isinstance(error, UnknownFunctionError):
        return f"{shown!r}: JMESPath has no such function ({str(error).removeprefix('Unknown function: ').strip('()')})"
    if isinstance(error, IncompleteExpressionError) or not isinstance(error, ParseError):
        return f"{shown!r} ends too early" if text else "an expression is empty"
    return f"{shown!r} cannot be read from character {error.lex_position + 1} on"
