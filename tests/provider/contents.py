"""Contents of messages in several parts: their checks, and their text.

The forms are those of https://platform.openai.com/docs/api-reference/chat/create and .../responses/create, of
https://docs.mistral.ai/api (`document_url`) and of https://platform.claude.com/docs/en/api/messages. A file stands in
the text as its type and size, so an echo shows what was received.
"""

import base64
import binascii
import re
from typing import Any

Json = dict[str, Any]
_SIGNATURES = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "application/pdf": b"%PDF-",
    "audio/wav": b"RIFF",
    "audio/mp3": b"ID3",
}
_DATA_URL = re.compile(r"data:([\w/]+);base64,(.*)", re.DOTALL)
FILE_TYPES = (
    *("image_url", "file", "input_audio", "document_url"),
    *("input_image", "input_file"),
    *("image", "document"),
)
TEXT_TYPES = ("text", "input_text")


class ContentRefused(Exception):
    """A part that the API does not take."""


def text_of(content: Any) -> str:
    """Return the text of a content, with its files as `[image/png 69]`. Raise `ContentRefused` for a wrong part."""
    if isinstance(content, str):
        return content
    return " ".join(_file(part) if part["type"] in FILE_TYPES else part.get("text", "") for part in content)


def check_parts(path: str, body: Json) -> None:
    """Raise `ContentRefused` if a message has a part unknown to this API, or a broken file."""
    if path.endswith("/responses"):
        known = ("input_text", "output_text", "input_image", "input_file")
    elif path.endswith("/messages"):
        known = ("text", "image", "document", "tool_use", "tool_result", "thinking")
    else:
        known = ("text", "image_url", "file", "input_audio", "document_url", "refusal")
    for message in body.get("messages") or body.get("input") or ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            if part["type"] not in known:
                values = ", ".join(f"'{each}'" for each in known)
                raise ContentRefused(f"Invalid value: '{part['type']}'. Supported values are: {values}.")
            if part["type"] in TEXT_TYPES and not part["text"].strip():
                raise ContentRefused("messages: text content blocks must be non-empty")  # Anthropic
            if part["type"] in FILE_TYPES and message["role"] != "user":
                raise ContentRefused(f"Invalid 'messages': only a message of the user may have {part['type']}.")
            if part["type"] in FILE_TYPES:
                _file(part)


def _file(part: Json) -> str:
    match part:
        case {"type": "image_url", "image_url": {"url": url}}:
            return _of_url(url)
        case {"type": "file", "file": {"filename": str(), "file_data": url}}:
            return _of_url(url)
        case {"type": "input_audio", "input_audio": {"data": data, "format": "wav" | "mp3" as kind}}:
            return _checked(f"audio/{kind}", data)
        case {"type": "document_url", "document_url": url, "document_name": str()}:
            return _of_url(url)
        case {"type": "input_image", "image_url": url, "detail": "auto" | "low" | "high"}:
            return _of_url(url)
        case {"type": "input_file", "filename": str(), "file_data": url}:
            return _of_url(url)
        case {"type": "image" | "document", "source": {"type": "base64", "media_type": kind, "data": data}}:
            return _checked(kind, data)
    raise ContentRefused(f"Invalid content part of type {part.get('type')!r}")


def _of_url(url: str) -> str:
    found = _DATA_URL.fullmatch(url)
    if found is None:
        raise ContentRefused("Invalid image data: expected a data URL")
    return _checked(found[1], found[2])


def _checked(kind: str, data: str) -> str:
    try:
        content = base64.b64decode(data, validate=True)
    except binascii.Error:
        raise ContentRefused("Invalid base64 data") from None
    if not content.startswith(_SIGNATURES[kind]):
        raise ContentRefused(f"The file was specified using the {kind} media type, but does not appear to be one")
    return f"[{kind} {len(content)}]"
