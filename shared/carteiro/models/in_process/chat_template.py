"""From messages to the tokens of a prompt, by the chat template that comes with a model."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from jinja2 import TemplateError

from carteiro.models.failures import InvalidPrompt
from carteiro.models.interface import Message


def encode(name: str, tokenizer: Any, end_tokens: Collection[int], messages: Sequence[Message]) -> list[int]:
    """The tokens of the prompt by a tokenizer of Transformers. `name` is what a failure calls the model.

    Raises `InvalidPrompt` where the template does not take the messages.
    """
    if not tokenizer.chat_template:
        return plain_ids(tokenizer, end_tokens, without_roles(messages))
    try:
        text = _render(tokenizer, messages)
    except TemplateError:
        try:
            text = _render(tokenizer, without_system(messages))
        except TemplateError as error:
            raise refused(name, error) from None
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def plain_ids(tokenizer: Any, end_tokens: Collection[int], text: str) -> list[int]:
    """The tokens of a plain text, without the end that some tokenizers add to it."""
    ids = list(tokenizer(text)["input_ids"])
    return ids[:-1] if ids and ids[-1] in end_tokens else ids


def without_roles(messages: Sequence[Message]) -> str:
    """The prompt of a base model, which continues a text: it has no notion of who speaks."""
    return "\n\n".join(message.content for message in messages)


def without_system(messages: Sequence[Message]) -> list[Message]:
    """The same for a template that knows no system message, such as Gemma's: its text opens the user's first."""
    if messages[0].role != "system" or len(messages) < 2:
        return list(messages)
    system, first, *rest = messages
    return [Message(first.role, f"{system.content}\n\n{first.content}"), *rest]


def harmless(content: str, special: Iterable[str]) -> str:
    """The content, with what the template would take for the end of a message broken by a space."""
    for token in special:
        if token in content:
            content = content.replace(token, f"{token[0]} {token[1:]}")
    return content


def turns(messages: Sequence[Message], special: Collection[str]) -> list[dict[str, str]]:
    """The messages as a template takes them, with their contents made harmless."""
    return [{"role": message.role, "content": harmless(message.content, special)} for message in messages]


def refused(name: str, reason: object) -> InvalidPrompt:
    """The failure of a template that does not take the messages."""
    return InvalidPrompt(f"the chat template of {name} does not take these messages: {reason}")


def _render(tokenizer: Any, messages: Sequence[Message]) -> str:
    special = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    given = turns(messages, special)
    return str(tokenizer.apply_chat_template(given, tokenize=False, add_generation_prompt=True))
