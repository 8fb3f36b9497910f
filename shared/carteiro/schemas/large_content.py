"""The long texts, references and attachments of a request, wherever they stand in it."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeVar, get_args

from carteiro.schemas.attachment import Attachment, TextPart
from carteiro.schemas.field_types import plain_type
from carteiro.schemas.request import Schema
from carteiro.schemas.text_reference import TextReference, may_be_reference

SchemaT = TypeVar("SchemaT", bound=Schema)
LargeContent = str | TextReference | Attachment
Replacement = LargeContent | TextPart
"""Content in the place of another one. A `TextPart` stands for an attachment of a message."""


def find_content(value: Schema) -> Iterator[tuple[str, LargeContent]]:
    """Yield the long texts of a request or their references, and its attachments.

    Each comes with the path of its field (`messages.0.content`).
    """
    for name in _large_fields(type(value)):
        yield from _find(getattr(value, name), name)


def replace_content(value: SchemaT, replacements: Mapping[Any, Replacement]) -> SchemaT:
    """Return the request with other contents in the places of those that are keys of `replacements`."""
    new: SchemaT = _replaced(value, replacements)
    return new


def _find(value: Any, path: str) -> Iterator[tuple[str, LargeContent]]:
    if isinstance(value, LargeContent):
        yield path, value
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _find(each, f"{path}.{number}")
    elif isinstance(value, Schema):
        for name in _large_fields(type(value)):
            yield from _find(getattr(value, name), f"{path}.{name}")


def _replaced(value: Any, replacements: Mapping[Any, Replacement]) -> Any:
    if isinstance(value, LargeContent):
        return replacements.get(value, value)
    if isinstance(value, list):
        new = [_replaced(each, replacements) for each in value]
        return new if any(one is not other for one, other in zip(new, value, strict=True)) else value
    if isinstance(value, Schema):
        given = {name: getattr(value, name) for name in _large_fields(type(value))}
        changed = {name: _replaced(each, replacements) for name, each in given.items()}
        changed = {name: each for name, each in changed.items() if each is not given[name]}
        return value.model_copy(update=changed) if changed else value
    return value


@cache
def _large_fields(kind: type[Schema]) -> tuple[str, ...]:
    """Return the names of a schema's fields for such contents, and of its lists of parts that have such fields."""
    return tuple(
        name
        for name, info in kind.model_fields.items()
        if may_be_reference(info) or any(map(_is_large, get_args(plain_type(info.annotation))))
    )


def _is_large(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Schema) and (kind is Attachment or bool(_large_fields(kind)))
