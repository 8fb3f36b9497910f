"""Answers of Chat Completions and Completions that are streamed."""

from typing import Any

from carteiro.models.cloud.chat_completions import (
    FILTER_FIELDS,
    FINISH_REASON_FIELDS,
    PROMPT_FILTER_FIELDS,
    choice_content,
    find_usage,
    first_choice,
)
from carteiro.models.cloud.completion_builder import FinishKind, classify_finish_reason, has_finish_reason
from carteiro.models.cloud.message_content import Content, is_filtered
from carteiro.models.cloud.token_counts import read_usage
from carteiro.models.cloud.tool_format import chat_call
from carteiro.models.written_calls import CallAccumulator
from carteiro.schemas import Usage


class ChoiceStreamAccumulator:
    """Accumulator of the pieces of an answer (https://platform.openai.com/docs/api-reference/chat/streaming)."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._has_text = False
        """True if there was a text, even an empty one."""
        self._reasonings: list[str] = []
        self._refusals: list[str] = []
        self._calls = CallAccumulator()
        self._finish_reasons: dict[str, Any] = {}
        self._filters: dict[str, Any] = {}
        self._usage: Any = None
        self._tier: Any = None
        self._index: int | None = None
        """Index of the choice that is read, if the answer has several."""
        self.finished = False
        """True if only the usage is still missing."""

    @property
    def may_end(self) -> bool:
        """True if the answer may end here."""
        return self.finished

    @property
    def truncated(self) -> bool:
        """True if a limit of tokens ended the answer."""
        return any(classify_finish_reason(reason) is FinishKind.LENGTH for reason in self._finish_reasons.values())

    @property
    def has_reasoning(self) -> bool:
        """True if the reasoning came in a field of its own."""
        return bool(self._reasonings)

    def add(self, piece: Any) -> str:
        """Return the text that the piece adds. An unreadable piece adds nothing."""
        if not isinstance(piece, dict):
            return ""
        self._filters |= {name: piece[name] for name in PROMPT_FILTER_FIELDS if is_filtered(piece.get(name))}
        self._tier = piece.get("service_tier") or self._tier
        choice = first_choice(piece, self._index)
        usage = find_usage(piece, choice)
        if self._usage is None or read_usage(usage) not in (None, Usage()):
            self._usage = usage
        # The last piece has only usage, Azure's first piece only filters, other servers' first piece only counts.
        if choice is None:
            has_content = self._has_text or self._reasonings or self._refusals or self._calls.calls
            self.finished = self.finished or bool(has_content and read_usage(usage) is not None)
            return ""
        if isinstance(index := choice.get("index"), int):
            self._index = index if self._index is None else self._index
            if index != self._index:
                return ""
        self._finish_reasons |= {
            name: choice[name] for name in FINISH_REASON_FIELDS if has_finish_reason(choice.get(name))
        }
        self._filters |= {name: choice[name] for name in FILTER_FIELDS if is_filtered(choice.get(name))}
        self.finished = (
            self.finished or "finish_reason" in self._finish_reasons or "done_reason" in self._finish_reasons
        )
        content = choice_content(choice, ("delta",))
        if content == Content():
            content = choice_content(choice, ("message",))
            if choice is not piece:  # Each piece of Ollama's own API has a message.
                self._remove_repeated(content)
        self._reasonings += [content.reasoning] if content.reasoning else []
        self._refusals += [content.refusal] if content.refusal else []
        self._has_text = self._has_text or content.text is not None
        self._texts += [content.text] if content.text else []
        self._calls.add(content.tool_calls)
        return content.text or ""

    def _remove_repeated(self, content: Content) -> None:
        """Leave out the text of a message that repeats earlier pieces: some servers repeat it in the last message, some
        in each.
        """
        if content.text is not None:
            content.text = content.text.removeprefix("".join(self._texts))
        content.reasoning = content.reasoning.removeprefix("".join(self._reasonings))
        content.refusal = content.refusal.removeprefix("".join(self._refusals))
        if self._calls.calls:
            content.tool_calls = []

    def answer(self) -> Any:
        """Return the answer's JSON, as an answer without streaming would have it."""
        message: dict[str, Any] = {
            "content": "".join(self._texts) if self._has_text else None,
            "reasoning_content": "".join(self._reasonings),
            "refusal": "".join(self._refusals),
        }
        if calls := self._calls.calls:
            message["tool_calls"] = [chat_call(call.id, call.name, call.arguments, call.signature) for call in calls]
        return {
            "choices": [{"message": message, **self._finish_reasons, **self._filters}],
            "usage": self._usage,
            "service_tier": self._tier,
            **self._filters,
        }
