"""The part of a conversation that fits a model's context: the newest turns. Pure functions."""

from collections.abc import Callable, Sequence

from carteiro.models.json_output import compact_json
from carteiro.schemas.chat import ChatMessage
from carteiro.wire.conversation import Turn

_MESSAGE_TOKENS = 8
"""Maximum tokens that a chat template adds to a message."""
_TEMPLATE_TOKENS = 32
"""Maximum tokens that a chat template adds to a prompt, for example by a default system message."""
_ANSWER_TOKENS = 1024
"""Tokens reserved for an answer if the request sets no limit; in a small context a quarter of the context."""


def prompt_token_limit(context_tokens: int | None, max_output_tokens: int | None, default: int) -> int:
    """Return the most tokens that a prompt may have, so that its answer fits the model's context.

    All arguments are in tokens. Return `default` if the context's length is not known.
    """
    if context_tokens is None:
        return default
    return context_tokens - (max_output_tokens or min(_ANSWER_TOKENS, context_tokens // 4))


def fit_newest_turns(
    turns: Sequence[Turn], required_messages: Sequence[ChatMessage], max_tokens: int, count_tokens: Callable[[str], int]
) -> tuple[Turn, ...]:
    """Return the newest turns, in their order, that fit `max_tokens` together with `required_messages`.

    `count_tokens` returns the tokens of a text. The result is empty if not even the newest turn fits.
    """
    remaining = max_tokens - _TEMPLATE_TOKENS - _total_tokens(required_messages, count_tokens)
    kept = 0
    for turn in reversed(turns):
        remaining -= _total_tokens(turn.messages, count_tokens)
        if remaining < 0:
            break
        kept += 1
    return tuple(turns[len(turns) - kept :])


def _total_tokens(messages: Sequence[ChatMessage], count_tokens: Callable[[str], int]) -> int:
    texts = sum(count_tokens(message.text) + _MESSAGE_TOKENS for message in messages)
    calls = (call for message in messages for call in message.tool_calls)
    # A model whose context is known takes no files. In the limit for others one PDF file would cost its turn.
    return texts + sum(count_tokens(compact_json(call.arguments)) + _MESSAGE_TOKENS for call in calls)
