"""Texts by reference: a field for a long text may hold the text's address instead."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import Field, SerializeAsAny, ValidatorFunctionWrapHandler, WrapValidator
from pydantic.fields import FieldInfo

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

LargeText = Annotated[Text, _VALIDATOR, SerializeAsAny()]
"""A text that may be long. A request may hold a `TextReference` in its place, which the worker replaces by the text
before a task gets the request: so a task sees only `str`.
"""


def may_be_reference(field: FieldInfo) -> bool:
    """Return True if the field may hold a `TextReference`."""
    return any(each is _VALIDATOR for each in field.metadata)


def find_texts(value: Schema) -> Iterator[tuple[str, str | TextReference]]:
    """Yield the long texts of a request, or their references.

    Each comes with the path of its field (`messages.0.content`).
    """
    for name, info in type(value).model_fields.items():
        field = getattr(value, name)
        if may_be_reference(info):
            yield name, field
        for place, item in _nested(name, field):
            for path, found in find_texts(item):
                yield f"{place}.{path}", found


def replace_texts(value: SchemaT, replacements: Mapping[str, TextReference] | Mapping[TextReference, str]) -> SchemaT:
    """Return the request with other texts or references in its fields for long texts."""
    changed: dict[str, Any] = {}
    for name, info in type(value).model_fields.items():
        field = getattr(value, name)
        if may_be_reference(info):
            new: Any = replacements.get(field, field)
        elif isinstance(field, list):
            new = [replace_texts(item, replacements) if isinstance(item, Schema) else item for item in field]
            new = new if any(one is not other for one, other in zip(new, field, strict=True)) else field
        else:
            new = replace_texts(field, replacements) if isinstance(field, Schema) else field
        if new is not field:
            changed[name] = new
    return value.model_copy(update=changed) if changed else value


def _nested(name: str, field: object) -> Iterator[tuple[str, Schema]]:
    """Yield the parts of a request in a field, each with its path."""
    items = enumerate(field) if isinstance(field, list) else ()
    yield from ((f"{name}.{number}", item) for number, item in items if isinstance(item, Schema))
    if isinstance(field, Schema) and not isinstance(field, TextReference):
        yield name, field
