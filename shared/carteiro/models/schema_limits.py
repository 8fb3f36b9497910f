"""Limits of a caller's JSON Schema. The limits of its size are checked before it is compiled, sent or followed."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

MAX_CHARACTERS = 64 * 1024
"""Maximum characters of the schema as JSON."""
MAX_DEPTH = 64
"""Maximum levels of objects and lists."""
MAX_NODES = 10_000
"""Maximum number of objects and lists, with each reference replaced by its target."""
MAX_PATTERN, MAX_PATTERNS = 1000, 8000
"""Maximum characters of one regular expression, and of all together."""
FAST_CPU_SECONDS = 0.05
"""CPU seconds that are enough for nearly all schemas. Schemas that need more wait only for other slow schemas."""
CPU_SECONDS = 0.5
"""Maximum CPU seconds for a schema."""
MEMORY_BYTES = 512 * 2**20
"""Maximum memory in bytes for a schema, beyond the memory of the process when it starts."""


class SchemaTooLarge(ValueError):
    """A schema is beyond a limit. The message names the limit, and quotes nothing of the schema."""


def check_limits(schema: Mapping[str, Any]) -> None:
    """Raise `SchemaTooLarge` for a schema beyond the limits.

    A reference counts as its target, because tools that read schemas replace references. In a chain of definitions that
    each refer twice to the next, the size doubles with every step. A reference to an enclosing part counts once.
    """
    try:
        characters = len(json.dumps(schema, allow_nan=False))
    except ValueError:
        raise SchemaTooLarge("holds a number that JSON does not have") from None
    except TypeError:
        raise SchemaTooLarge("holds a value that JSON does not have, such as a date: put it in quotes") from None
    except RecursionError:
        raise SchemaTooLarge(f"is nested more than {MAX_DEPTH} levels deep") from None
    if characters > MAX_CHARACTERS:
        raise SchemaTooLarge(f"has {characters:,} characters; at most {MAX_CHARACTERS:,}")
    _check_depth(schema)
    _check_patterns(schema)
    if _NodeCounter(schema).nodes > MAX_NODES:
        raise SchemaTooLarge(f"has more than {MAX_NODES:,} parts once its references are followed")


def _check_depth(schema: Any) -> None:
    level = [schema]
    for _ in range(MAX_DEPTH):
        level = [part for each in level for part in _child_nodes(each)]
        if not level:
            return
    raise SchemaTooLarge(f"is nested more than {MAX_DEPTH} levels deep")


def _check_patterns(schema: Any) -> None:
    total = 0
    for node in _all_nodes(schema):
        if not isinstance(node, Mapping):
            continue
        named = node.get("patternProperties")
        patterns = [node.get("pattern"), *(named if isinstance(named, Mapping) else ())]
        for length in [len(each) for each in patterns if isinstance(each, str)]:
            total += length
            if length > MAX_PATTERN:
                raise SchemaTooLarge(f"has a pattern of {length:,} characters; at most {MAX_PATTERN:,}")
    if total > MAX_PATTERNS:
        raise SchemaTooLarge(f"has patterns of {total:,} characters in all; at most {MAX_PATTERNS:,}")


class _NodeCounter:
    """Counter of the nodes of a schema with its references followed. It visits each node once, so it takes
    linear time.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._root = schema
        self._counts: dict[int, int] = {}
        self._visiting: set[int] = set()
        self._anchors = dict(_anchored_nodes(schema))
        self.nodes = self._count(schema, 0)

    def _count(self, node: Any, depth: int) -> int:
        if not isinstance(node, Mapping | list) or id(node) in self._visiting:
            return 1
        if id(node) in self._counts:
            return self._counts[id(node)]
        if depth > MAX_DEPTH * 4:  # a chain of references may be longer than the schema is deep
            raise SchemaTooLarge("has references that refer to references for too long")
        self._visiting.add(id(node))
        count = 1 + sum(self._count(part, depth + 1) for part in _child_nodes(node))
        for name in ("$ref", "$dynamicRef", "$recursiveRef"):
            if isinstance(node, Mapping) and isinstance(reference := node.get(name), str):
                count += self._count(self._resolve(reference), depth + 1)
        self._visiting.discard(id(node))
        self._counts[id(node)] = count = min(count, MAX_NODES + 1)
        return count

    def _resolve(self, reference: str) -> Any:
        """Return the target of a reference; None if it is not in this schema, which the validator rejects."""
        pointer = reference.removeprefix("#")
        if pointer and not pointer.startswith("/"):
            return self._anchors.get(pointer)
        node: Any = self._root
        for step in unquote(pointer).split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(node, list) and name.isdecimal() and len(name) < 9 and int(name) < len(node):
                node = node[int(name)]
            elif isinstance(node, Mapping):
                node = node.get(name)
            else:
                return None
        return node


def _anchored_nodes(schema: Any) -> Iterator[tuple[str, Any]]:
    for node in _all_nodes(schema):
        for keyword in ("$anchor", "$dynamicAnchor", "$id"):
            if isinstance(node, Mapping) and isinstance(name := node.get(keyword), str):
                yield name, node


def _child_nodes(node: Any) -> list[Any]:
    """Return the objects and lists directly inside a node."""
    inside = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    return [part for part in inside if isinstance(part, Mapping | list)]


def _all_nodes(schema: Any) -> Iterator[Any]:
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += _child_nodes(node)
