"""Texts by reference: a field for a long text may hold the text's address instead."""

from typing import Annotated, Any

from pydantic import Field, SerializeAsAny, ValidatorFunctionWrapHandler, WrapValidator
from pydantic.fields import FieldInfo

from carteiro.schemas.request import Schema, Text

MAX_ADDRESS_CHARS = 8192
"""Maximum length of an address. A presigned one with a session token has up to 4,000 characters."""


class TextReference(Schema):
    """Address of a text. The service reads the text from there, if its operator permits the address."""

    uri: str = Field(min_length=1, max_length=MAX_ADDRESS_CHARS, repr=False)
    """`s3://BUCKET/KEY`, `gs://BUCKET/KEY`, `az://CONTAINER/KEY`, `https://...` or `file:///...`"""


def text_or_reference(value: Any, validate_text: ValidatorFunctionWrapHandler) -> Any:
    """Return a text or its reference. Raise pydantic's `ValidationError`."""
    if isinstance(value, TextReference):
        return value
    return TextReference.model_validate(value) if isinstance(value, dict) else validate_text(value)


BY_REFERENCE = object()
"""Mark of fields that may hold a `TextReference`."""

LargeText = Annotated[
    Text,
    WrapValidator(text_or_reference, json_schema_input_type=Text | TextReference),
    SerializeAsAny(),
    BY_REFERENCE,
]
"""A text that may be long. A request may hold a `TextReference` in its place, which the worker replaces by the text
before a task gets the request: so a task sees only `str`.
"""
OptionalLargeText = Annotated[
    Text | None,
    WrapValidator(text_or_reference, json_schema_input_type=Text | TextReference | None),
    SerializeAsAny(),
    BY_REFERENCE,
]
"""A text that may be long, or None."""


def may_be_reference(field: FieldInfo) -> bool:
    """Return True if the field may hold a `TextReference`."""
    return BY_REFERENCE in field.metadata
