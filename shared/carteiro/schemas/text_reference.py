"""Texts by reference: a field for a long text may hold the text's address instead."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, TypeVar, get_args

from pydantic import Field, SerializeAsAny, ValidatorFunctionWrapHandler, WrapValidator
from pydantic.fields import FieldInfo

from carteiro.schemas.field_types import plain_type
from carteiro.schemas.request import Schema, Text

MAX_ADDRESS_CHARS = 8192
"""Maximum length of an address. A presigned one with a session token has up to 4,000 characters."""

SchemaT = TypeVar("SchemaT", bound=Schema)


class TextReference(Schema):
    """Address of a text. The service reads the text from there, if its operator permits the address."""

    uri: str = Field(min_length=1, max_length=MAX_ADDRESS_CHARS, repr=False)
    """`s3://BUCKET/KEY`, `gs://BUCKET/KEY`, `az://CONTAINER/KEY`, `https://...` or `file:///...`"""


def _text_or_reference(value: Any, validate_text: ValidatorFunctionWrapHandler) -> Any:
    if isinstance(value, TextReference):
        return value
    return TextReference.model_validate(value) if isinstance(value, dict) else validate_text(value)


_VALIDATOR = WrapValidator(_text_or_reference, json_schema_input_type=Text | TextReference)

_OPTIONAL_VALIDATOR = WrapValidator(_text_or_reference, json_schema_input_type=Text | TextReference | None)

LargeText = Annotated[Text, _VALIDATOR, SerializeAsAny()]
"""A text that may be long. A request may hold a `TextReference` in its place, which the worker replaces by the text
before a task gets the request: so a task sees only `str`.
"""
OptionalLargeText = Annotated[Text | None, _OPTIONAL_VALIDATOR, SerializeAsAny()]
"""A text that may be long, or None."""


def may_be_reference(field: FieldInfo) -> bool:
    """Return True if the field may hold a `TextReference`."""
    return any(each is _VALIDATOR or each is _OPTIONAL_VALIDATOR for each in field.metadata)


def find_texts(value: Schema) -> Iterator[tuple[str, str | TextReference]]:
    """Yield the long texts of a request, or their references.

    Each comes with the path of its field (`messages.0.content`).
    """
    texts, parts = _text_fields(type(value))
    for name in texts:
        if (text := getattr(value, name)) is not None:
            yield name, text
    for name in parts:
        for number, part in enumerate(getattr(value, name)):
            for path, found in find_texts(part):
                yield f"{name}.{number}.{path}", found


def replace_texts(value: SchemaT, replacements: Mapping[str, TextReference] | Mapping[TextReference, str]) -> SchemaT:
    """Return the request with other texts or references in its fields for long texts."""
    texts, parts = _text_fields(type(value))
    fields: dict[str, Any] = {name: getattr(value, name) for name in (*texts, *parts)}
    changed: dict[str, Any] = {name: replacements[fields[name]] for name in texts if fields[name] in replacements}
    for name in parts:
        replaced = [replace_texts(part, replacements) for part in fields[name]]
        if any(new is not old for new, old in zip(replaced, fields[name], strict=True)):
            changed[name] = replaced
    return value.model_copy(update=changed) if changed else value


@cache
def _text_fields(kind: type[Schema]) -> tuple[Sequence[str], Sequence[str]]:
    """Return the names of a schema's fields for long texts, and of its lists of parts that have such fields."""
    texts = tuple(name for name, info in kind.model_fields.items() if may_be_reference(info))
    items = {name: get_args(plain_type(info.annotation)) for name, info in kind.model_fields.items()}
    parts = {name: found[0] for name, found in items.items() if found and _is_schema(found[0])}
    return texts, tuple(name for name, part in parts.items() if any(_text_fields(part)))


def _is_schema(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Schema)
