"""Images, files and sounds in requests, in a form of our own and in that of OpenAI's content parts.

The own form is `{"uri": ...}`, the address of a file that the worker reads, or `{"data": ...}`, its content in base64.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PlainValidator, PrivateAttr, TypeAdapter, ValidatorFunctionWrapHandler, model_validator
from typing_extensions import TypeIs

from carteiro.schemas.media_file import Detail, MediaFile, MediaInvalid, read_media
from carteiro.schemas.request import NAME_PATTERN, Schema, Text
from carteiro.schemas.text_reference import MAX_ADDRESS_CHARS, LargeText, TextReference, text_or_reference

MAX_ATTACHMENTS = 100
_CONTENT_FIELDS = ("uri", "data", "image_url", "file", "input_audio")
_MAX_NAME_CHARS = 255
_DATA_URL = re.compile(r"data:[^,;]{0,255}(?:;[^,;]{0,255}){0,4},", re.IGNORECASE)

Name = Annotated[str, Field(min_length=1, max_length=_MAX_NAME_CHARS, pattern=NAME_PATTERN)]


class TextPart(Schema):
    """A text of a message with several parts."""

    type: Literal["text"]
    text: LargeText


class ImageUrl(Schema):
    """An image in OpenAI's form."""

    url: str = Field(min_length=1, repr=False)
    """`data:image/png;base64,...`, or an address that the worker reads."""
    detail: Detail | None = None


class InlineFile(Schema):
    """A file in OpenAI's form."""

    file_data: str = Field(min_length=1, repr=False)
    """`data:application/pdf;base64,...`"""
    filename: Name | None = None


class InlineAudio(Schema):
    """A sound in OpenAI's form."""

    data: str = Field(min_length=1, repr=False)
    """The content in base64."""
    format: Literal["wav", "mp3"] | None = None


class Attachment(Schema):
    """An image (PNG, JPEG, GIF, WebP), a PDF file or a sound (WAV, MP3): one of `uri` and `data`, or OpenAI's fields.

    The content decides about the type.
    """

    type: Literal["file", "image_url", "input_audio"] = "file"
    """`file`, or the type of a content part of OpenAI."""
    uri: str | None = Field(default=None, min_length=1, max_length=MAX_ADDRESS_CHARS, repr=False)
    """Address of the file, as in a text's reference: the service reads it, if its operator permits the address."""
    data: str | None = Field(default=None, min_length=1, repr=False)
    """The file in base64, or a `data:` URL."""
    name: Name | None = None
    """Name of the file, for the model."""
    image_url: ImageUrl | None = None
    file: InlineFile | None = None
    input_audio: InlineAudio | None = None
    _media: MediaFile | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _has_one_content(self) -> Self:
        given = [name for name in _CONTENT_FIELDS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"needs one of uri and data, or the field of its type: {self.type}")
        if given[0] not in ("uri", "data", self.type):
            raise ValueError(f"has {given[0]}, but type {self.type}")
        if (inline := self._inline_data) is not None:
            self._media = _read_base64(inline, self.file_name, self._detail)
        elif len(self.address or "") > MAX_ADDRESS_CHARS:
            raise ValueError(f"has an address of more than {MAX_ADDRESS_CHARS:,} characters")
        return self

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Return a file of this machine as an attachment. Raise `OSError`, and pydantic's `ValidationError`."""
        return cls(data=base64.b64encode(Path(path).read_bytes()).decode(), name=Path(path).name)

    @property
    def address(self) -> str | None:
        """Address that the content is read from; None if the request has the content itself."""
        return None if self._inline_data is not None else self.uri or (self.image_url.url if self.image_url else None)

    @property
    def file_name(self) -> str | None:
        """The file's name, if the sender gives one."""
        return self.name or (self.file.filename if self.file else None)

    @property
    def media(self) -> MediaFile | None:
        """The file; None before a worker has read it from its address, or if it could not."""
        return self._media

    def with_content(self, content: bytes) -> "Attachment":
        """Return the attachment with the content at its address, which is no part of its JSON. Raise `MediaInvalid`."""
        read = self.model_copy()
        read._media = read_media(content, self.file_name, self._detail)  # noqa: SLF001  # a copy of this object
        return read

    def as_note(self, reason: str) -> TextPart:
        """Return a text in the place of the attachment."""
        kind = self.media.kind if self.media else "file"
        return TextPart(type="text", text=f"[An attached {kind}, {self.file_name or 'without a name'}, {reason}.]")

    @property
    def _detail(self) -> Detail | None:
        return self.image_url.detail if self.image_url else None

    @property
    def _inline_data(self) -> str | None:
        if self.image_url is not None:
            return self.image_url.url if _DATA_URL.match(self.image_url.url) else None
        if self.file is not None:
            return self.file.file_data
        return self.data if self.input_audio is None else self.input_audio.data


ContentPart = TextPart | Attachment


def _read_base64(data: str, name: str | None, detail: Detail | None) -> MediaFile:
    encoded = _DATA_URL.sub("", data, count=1) if data[:5].lower() == "data:" else data
    try:
        content = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("has data that is not base64") from None
    try:
        media = read_media(content, name, detail)
    except MediaInvalid as error:
        raise ValueError(str(error)) from None
    # One string in memory, not two.
    return replace(media, data=encoded) if media.data == encoded else media


def _read_part(value: Any) -> ContentPart:
    if isinstance(value, TextPart | Attachment):
        return value
    is_text = isinstance(value, dict) and value.get("type") == "text"
    return TextPart.model_validate(value) if is_text else Attachment.model_validate(value)


_Part = Annotated[ContentPart, PlainValidator(_read_part, json_schema_input_type=ContentPart)]
_Parts = Annotated[list[_Part], Field(min_length=1, max_length=MAX_ATTACHMENTS)]
_parts = TypeAdapter[list[ContentPart]](_Parts)


def read_content(value: Any, validate_text: ValidatorFunctionWrapHandler) -> Any:
    """Return a content: a text, its reference, or a list of parts. Raise pydantic's `ValidationError`."""
    if isinstance(value, str):
        return validate_text(value)
    if isinstance(value, list):
        return _parts.validate_python(value, strict=True)
    return text_or_reference(value, validate_text)


CONTENT_INPUT: Any = Text | TextReference | _Parts
"""Form of what `read_content` takes, for a JSON Schema."""


def is_text(part: ContentPart) -> TypeIs[TextPart]:
    """Return True if a part of a content is a text."""
    return isinstance(part, TextPart)


def join_texts(content: str | Sequence[ContentPart]) -> str:
    """Return the texts of a content without its attachments."""
    return content if isinstance(content, str) else "\n\n".join(part.text for part in filter(is_text, content))
