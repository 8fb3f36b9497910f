"""Files in YAML: read within limits, and checked against a model. Errors name the file and the line."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from carteiro.schemas.field_errors import field_errors

ModelT = TypeVar("ModelT", bound=BaseModel)

_MAX_FILE_BYTES = 1024 * 1024
_MAX_NODES = 200_000
"""Maximum number of values of a file, each alias counted as what it stands for. A few lines of aliases of aliases stand
for more than fits into memory.
"""
_MERGE_TAG = "tag:yaml.org,2002:merge"


class FilePart(BaseModel):
    """Base of all parts of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, populate_by_name=True)


def default_name(path: Path, if_empty: str) -> str:
    """Return the name of a file without its ending, in lower case with `-` between its words."""
    return re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:63] or if_empty


def read_yaml_file(path: Path, invalid: type[Exception]) -> bytes:
    """Return the content of a file. Raise `invalid` if it cannot be read, or is too large."""
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise invalid(f"{path}: cannot be read ({error.strerror})") from None
    if len(text) > _MAX_FILE_BYTES:
        raise invalid(f"{path}: has more than {_MAX_FILE_BYTES:,} bytes")
    return text


def validate_yaml(
    model: type[ModelT], text: bytes, file: str, defaults: Mapping[str, Any], kind: str, invalid: type[Exception]
) -> ModelT:
    """Return the model that a YAML text describes, with `defaults` for what it leaves out.

    `file` names the text in errors, and `kind` says what it should be. Raise `invalid`.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}:" if error.problem_mark else ""
        raise invalid(f"{file}:{line} is no YAML: {error.problem or 'it cannot be read'}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise invalid(f"{file}: is no YAML in UTF-8") from None
    if root is not None and (problem := _alias_problem(root)):
        raise invalid(f"{file}: {problem}")
    for at, problem in _find_problems(root, set()):
        raise invalid(f"{file}: line {at}: {problem}")
    if not isinstance(content, dict):
        raise invalid(f"{file}: is no {kind.removeprefix('an ').removeprefix('a ')}")
    try:
        return model.model_validate({**defaults, **content})
    except ValidationError as error:
        problems = [
            f"{file}: line {_line_of(root, raw['loc'])}: {told.field + ': ' if told.field else ''}{told.reason}"
            for raw, told in zip(error.errors(), field_errors(error, root="", document="this file"), strict=False)
        ]
        raise invalid("\n".join(problems)) from None


def _alias_problem(root: yaml.Node) -> str | None:
    """Return the reason why aliases make the file unreadable; None if they do not."""
    sizes = dict[int, int]()
    """Numbers of values by the ids of nodes; 0 while a node is counted."""

    def size_of(node: yaml.Node) -> int:
        if id(node) not in sizes:
            sizes[id(node)] = 0
            parts: list[yaml.Node] = node.value if isinstance(node, yaml.SequenceNode) else []
            if isinstance(node, yaml.MappingNode):
                parts = [each for pair in node.value for each in pair]
            sizes[id(node)] = 1 + sum(map(size_of, parts))
        if not sizes[id(node)]:
            raise _AliasInItself
        return sizes[id(node)]

    try:
        is_large = size_of(root) > _MAX_NODES
    except _AliasInItself:
        return "an alias stands in what it stands for"
    return f"has more than {_MAX_NODES:,} values, with what its aliases stand for" if is_large else None


class _AliasInItself(Exception):
    pass


def _find_problems(node: yaml.Node | None, seen: set[int]) -> Iterator[tuple[int, str]]:
    """Yield the lines and descriptions of what YAML accepts, but no file can mean.

    `seen` are the ids of nodes, which aliases repeat.
    """
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        names = set[tuple[str, str]]()
        for name, value in node.value:
            if isinstance(name, yaml.ScalarNode) and name.tag != _MERGE_TAG:
                if (name.tag, name.value) in names:
                    yield name.start_mark.line + 1, f"{name.value} is there twice: leave one out"
                names.add((name.tag, name.value))
            yield from _find_problems(name, seen)
            yield from _find_problems(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _find_problems(each, seen)
    elif any("\ud800" <= char <= "\udfff" for char in node.value):
        yield line, "a text has half of a surrogate pair, which is no character: write \\U and the character's number"


def _line_of(node: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """Return the line, from 1, of the node at a location; of the closest node around it if it is not in the file."""
    line = node.start_mark.line + 1 if node else 1
    for key in location:
        found: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for name, value in node.value:
                if name.value == key:
                    found, line = value, name.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            found = node.value[key]
            line = found.start_mark.line + 1
        if found is None:
            break
        node = found
    return line
