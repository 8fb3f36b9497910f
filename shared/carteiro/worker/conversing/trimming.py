"""How much of a conversation a model is shown: the newest turns, as many as it has room for. Pure."""

from collections.abc import Callable, Sequence

from carteiro.schemas import ChatMessage
from carteiro.wire.conversation import Turn

_MESSAGE_TOKENS = 8
"""What a chat template puts around a message, at most."""
_TEMPLATE_TOKENS = 32
"""What it puts around all of them, such as a system message of its own."""
_ANSWER_TOKENS = 1024
"""Room for an answer whose request sets no limit; in a small context a quarter of it."""


def room_for_prompt(context_tokens: int | None, max_output_tokens: int | None, otherwise: int) -> int:
    """The tokens that a prompt may have in a model's context; `otherwise` where only the provider knows that."""
    if context_tokens is None:
        return otherwise
    return context_tokens - (max_output_tokens or min(_ANSWER_TOKENS, context_tokens // 4))


def newest_that_fit(
    turns: Sequence[Turn], always: Sequence[ChatMessage], room: int, count: Callable[[str], int]
) -> tuple[Turn, ...]:
    """The newest of the turns, the oldest first, that have at most `room` tokens together with the messages that are
    shown always. `count` says how many tokens a text has.
    """
    left = room - _TEMPLATE_TOKENS - _tokens(always, count)
    kept = 0
    for turn in reversed(turns):
        left -= _tokens(turn.messages, count)
        if left < 0:
            break
        kept += 1
    return tuple(turns[len(turns) - kept :])


def _tokens(messages: Sequence[ChatMessage], count: Callable[[str], int]) -> int:
    return sum(count(message.content) + _MESSAGE_TOKENS for message in messages)
