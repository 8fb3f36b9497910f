"""Messages of prompts, from requests' texts and attachments."""

from collections.abc import Sequence

from carteiro.models.json_output import compact_json
from carteiro.models.prompt import Message, PlacedFile, RawToolCall
from carteiro.schemas.attachment import Attachment, TextPart, is_text, join_texts
from carteiro.schemas.chat import ChatMessage


def prompt_message(message: ChatMessage) -> Message:
    """Return a message of a conversation as one of a prompt."""
    if message.tool_calls or message.tool_call_id:
        calls = (
            RawToolCall(call.id, call.name, compact_json(call.arguments), call.signature) for call in message.tool_calls
        )
        return Message(message.role, message.text, tool_calls=tuple(calls), tool_call_id=message.tool_call_id)
    if isinstance(message.content, str):
        return Message(message.role, message.content)
    parts: list[TextPart] = []
    files: list[PlacedFile] = []
    for part in message.content:
        if is_text(part):
            parts.append(part)
        elif part.media is not None:
            files.append(PlacedFile(part.media, len(join_texts(parts))))
        else:
            parts.append(part.as_note("cannot be read any more"))
    return Message(message.role, join_texts(parts), tuple(files))


def user_message(text: str, attachments: Sequence[Attachment] = ()) -> Message:
    """Return a message of the user with files before its text."""
    return Message("user", text, tuple(PlacedFile(each.media, 0) for each in attachments if each.media))
