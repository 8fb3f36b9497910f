"""Conversion of messages to the text of a prompt, by the chat template of a model."""

from collections.abc import Callable, Collection, Iterable, Sequence

from carteiro.models.errors import InvalidPrompt
from carteiro.models.interface import Message


class TemplateRejection(Exception):
    """The chat template does not take the messages. The last line of the message is the template's reason."""


def render_prompt(
    name: str,
    messages: Sequence[Message],
    special_tokens: Collection[str],
    render: Callable[[list[dict[str, str]]], str],
) -> str:
    """Return the prompt that `render` makes of the messages, with special tokens in their contents escaped.

    `name` is the model in an error message. If `render` raises `TemplateRejection`, it gets the messages again, with
    the system text in the first user message. Raise `InvalidPrompt` if it rejects these too.
    """
    reason = ""
    for given in (messages, merge_system_message(messages)):
        try:
            return render(_template_messages(given, special_tokens))
        except TemplateRejection as error:
            reason = str(error).splitlines()[-1] if str(error) else ""
    raise InvalidPrompt(f"the chat template of {name} does not take these messages: {reason}")


def without_roles(messages: Sequence[Message]) -> str:
    """Return the prompt of a base model: the contents only, because the model continues a text and knows no roles."""
    return "\n\n".join(message.content for message in messages)


def without_end_token(ids: list[int], end_tokens: Collection[int]) -> list[int]:
    """Return the tokens of a text without the end token that some tokenizers add."""
    return ids[:-1] if ids and ids[-1] in end_tokens else ids


def merge_system_message(messages: Sequence[Message]) -> list[Message]:
    """Return the messages for a template without a system role, such as Gemma's.

    The system text becomes the start of the first user message.
    """
    if messages[0].role != "system" or len(messages) < 2:
        return list(messages)
    system, first, *rest = messages
    return [Message(first.role, f"{system.content}\n\n{first.content}"), *rest]


def escape_special_tokens(content: str, special_tokens: Iterable[str]) -> str:
    """Return the content with a space inside each special token, so that it cannot end the message."""
    for token in special_tokens:
        if token in content:
            content = content.replace(token, f"{token[0]} {token[1:]}")
    return content


def _template_messages(messages: Sequence[Message], special_tokens: Collection[str]) -> list[dict[str, str]]:
    return [
        {"role": message.role, "content": escape_special_tokens(message.content, special_tokens)}
        for message in messages
    ]
