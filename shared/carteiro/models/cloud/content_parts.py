"""Contents with images, files and sounds, in the forms of the chat APIs."""

from collections.abc import Callable
from typing import Any, Literal

from carteiro.models.prompt import Message
from carteiro.schemas.media_file import MediaFile

PdfForm = Literal["file", "document_url", "image_url"]
"""Content part of a PDF file: OpenAI's, Mistral's, Google's."""
WriteFile = Callable[[MediaFile], dict[str, Any]]
_FILE_TYPES = (
    *("image_url", "file", "document_url", "input_audio"),
    *("input_image", "input_file"),
    *("image", "document"),
)
_AUDIO_FORMATS = {"audio/wav": "wav", "audio/mpeg": "mp3"}


def message_content(message: Message, write_file: WriteFile, text_type: str = "text") -> str | list[dict[str, Any]]:
    """Return a message's content: its text, or its texts and its files by `write_file`, in their order."""
    if not message.files:
        return message.content
    return [{"type": text_type, "text": part} if isinstance(part, str) else write_file(part) for part in message.parts]


def chat_file(file: MediaFile, pdf: PdfForm = "file") -> dict[str, Any]:
    """Return a file for Chat Completions (https://platform.openai.com/docs/api-reference/chat/create)."""
    if file.kind == "audio":
        return {"type": "input_audio", "input_audio": _audio(file)}
    if file.kind == "image" or pdf == "image_url":
        detail = {"detail": file.detail} if file.detail else {}
        return {"type": "image_url", "image_url": {"url": file.data_url, **detail}}
    if pdf == "document_url":
        return {"type": "document_url", "document_url": file.data_url, "document_name": file.name}
    return {"type": "file", "file": {"filename": file.name, "file_data": file.data_url}}


def responses_file(file: MediaFile) -> dict[str, Any]:
    """Return a file for Responses (https://platform.openai.com/docs/guides/images-vision)."""
    match file.kind:
        case "audio":
            return {"type": "input_audio", "input_audio": _audio(file)}
        case "image":
            return {"type": "input_image", "image_url": file.data_url, "detail": file.detail or "auto"}
        case "pdf":
            return {"type": "input_file", "filename": file.name, "file_data": file.data_url}


def messages_file(file: MediaFile) -> dict[str, Any]:
    """Return an image or a PDF file for Messages (https://platform.claude.com/docs/en/build-with-claude/vision)."""
    source = {"type": "base64", "media_type": file.media_type, "data": file.data}
    if file.kind == "image":
        return {"type": "image", "source": source}
    return {"type": "document", "source": source, "title": file.name}


def has_files(body: Any) -> bool:
    """Return True if a request's body has a message with an image, a file or a sound."""
    if not isinstance(body, dict):
        return False
    messages = body.get("messages") or body.get("input")
    contents = (
        [each.get("content") for each in messages if isinstance(each, dict)] if isinstance(messages, list) else []
    )
    parts = (part for content in contents if isinstance(content, list) for part in content)
    return any(isinstance(part, dict) and part.get("type") in _FILE_TYPES for part in parts)


def _audio(file: MediaFile) -> dict[str, str]:
    return {"data": file.data, "format": _AUDIO_FORMATS[file.media_type]}
