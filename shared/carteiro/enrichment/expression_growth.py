"""Bound on the growth of a value by an expression, from its syntax tree.

Each use of a value in a list or an object copies it. In a pipe, the copies are copied again: `[@, @] | [@, @]` has the
event four times. Twenty such parts would have it a million times, so that one event ended the worker.
"""

from math import prod
from typing import Any

_CHAINED = ("pipe", "subexpression", "index_expression", "projection", "value_projection", "filter_projection")
"""Nodes whose later parts are evaluated on the result of their first part."""
_ESCAPED = 2
"""Growth of a text of backslashes and quotes by `to_string`."""


def growth(node: Any) -> int:
    """Return how many times as large as the event the expression's value can be, without its literals."""
    kind, children = node["type"], node.get("children", ())
    if not children:
        return 1
    if kind == "filter_projection":
        children = children[:2]  # The third part is a condition.
    parts = [growth(each) for each in children if isinstance(each, dict)]
    if kind in _CHAINED:
        return prod(parts)
    if kind == "function_expression":
        return _function_growth(node["value"], children, parts)
    return sum(parts)


def _function_growth(name: str, arguments: list[Any], parts: list[int]) -> int:
    """Return the growth by a function. An expression among its arguments is evaluated on the items of the others."""
    is_expression = [each["type"] == "expref" for each in arguments]
    values = sum(part for part, expression in zip(parts, is_expression, strict=True) if not expression)
    each_item = prod(part for part, expression in zip(parts, is_expression, strict=True) if expression)
    return max(values, 1) * each_item * (_ESCAPED if name == "to_string" else 1)
