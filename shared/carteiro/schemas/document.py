"""Documents of a collection, as records carry them."""

from typing import Annotated

from pydantic import Field, StringConstraints

from carteiro.schemas.request import Schema, examples
from carteiro.schemas.text_reference import LargeText

MediaType = Annotated[str, StringConstraints(max_length=200)]


class DocumentRecord(Schema):
    """A document. Its key is the record's; a record without a value deletes the document."""

    model_config = examples(
        {"text": "# Returns\n\nReturn a parcel within 30 days.", "title": "Returns", "fields": {"language": "en"}},
        {"text": {"uri": "s3://handbook/returns.md"}, "uri": "https://example.org/returns"},
    )

    text: LargeText
    """The text, or its address: `{"uri": "s3://..."}`."""
    media_type: MediaType | None = None
    """Type of the text, such as `text/markdown`; by default plain text."""
    title: str | None = Field(default=None, max_length=1024)
    uri: str | None = Field(default=None, max_length=8192)
    """Address of the document for readers of an answer; by default that of the text."""
    fields: dict[str, str | int | float | bool | None] | None = None
    """Values by which searches are filtered, by their names. Null values are left out."""
