"""Documents of a collection, as records carry them."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from carteiro.schemas.request import Schema, examples, one_error
from carteiro.schemas.text_reference import LargeText

FieldValue = Annotated[
    str | int | float | bool | None, one_error("must be a text, a finite number, true, false or null")
]
MediaType = Annotated[str, StringConstraints(max_length=200)]


class DocumentRecord(Schema):
    """A document. Its key is the record's; a record without a value deletes the document."""

    model_config = examples(
        {"text": "# Returns\n\nReturn a parcel within 30 days.", "title": "Returns", "fields": {"language": "en"}},
        {"text": {"uri": "s3://handbook/returns.pdf"}, "title": "Returns"},
        {"data": "JVBERi0xLjcK", "media_type": "application/pdf"},
    )

    text: LargeText | None = None
    """The text, or the address of a text or file: `{"uri": "s3://..."}`."""
    data: str | None = Field(default=None, min_length=1)
    """The bytes of a file in Base64, in place of a text: Markdown, HTML, PDF or Word's `.docx`."""
    media_type: MediaType | None = None
    """Type of the text or file, such as `text/html`; by default it is recognized, and a text is plain or Markdown."""
    title: str | None = Field(default=None, max_length=1024)
    """By default that of the file, if it has one."""
    uri: str | None = Field(default=None, max_length=8192)
    """Address of the document for readers of an answer; by default that of the text."""
    fields: dict[str, FieldValue] | None = None
    """Values by which searches are filtered, by their names. Null values are left out."""

    @model_validator(mode="after")
    def _has_one_content(self) -> Self:
        if (self.text is None) == (self.data is None):
            raise ValueError("a document has either text or data")
        return self
