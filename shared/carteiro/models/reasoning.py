"""Marks around the thinking that a model writes before its answer, and the state in which its completion begins.

A block of thinking counts only before the answer: a text that explains `<think>` keeps it. Chat templates of some
models write the opening mark themselves, so a completion may have only the closing mark. That counts if no opening mark
is before it and it is neither quoted nor code.
"""

import re
from collections.abc import Iterable, Sequence
from enum import Enum, auto

from carteiro.models.stop_sequences import partial_match_length

TAGS = {
    **{f"<{name}>": f"</{name}>" for name in ("think", "thinking", "thought", "thoughts", "reasoning")},
    "<seed:think>": "</seed:think>",
    "<longcat_think>": "</longcat_think>",
    "[think]": "[/think]",  # Magistral
    "◁think▷": "◁/think▷",  # Kimi
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|start_thinking|>": "<|end_thinking|>",  # Command A
    "<|channel>thought": "<channel|>",  # Gemma
}
"""Opening marks and their closing marks, in lower case."""

STARTS = ("", "<|start|>assistant", "<|start|>", "assistant")
CHANNELS = [f"{start}<|channel|>{name}<|message|>" for start in STARTS for name in ("analysis", "commentary")]
FINALS = [f"{start}<|channel|>final<|message|>" for start in STARTS]
CHANNEL_ENDS = ("<|end|>", "<|return|>")
"""Marks of gpt-oss (OpenAI's Harmony format): the answer is in the channel `final`."""
ANSWER_TAGS = {
    "<answer>": "</answer>",  # Hunyuan
    "<|begin_of_solution|>": "<|end_of_solution|>",
    "<|start_response|>": "<|end_response|>",  # Command A
}
"""Marks around an answer. They count only after thinking: any other text may be about them."""
BARE, BARE_END = "analysis", "assistantfinal"
"""The rest of these marks in a text without special tokens: `analysisWe need ...assistantfinalLisbon.`"""

CLOSINGS = tuple(TAGS.values())
TAG_MARKS = (*TAGS, *CLOSINGS)
OPENINGS = (*TAGS, *CHANNELS, *FINALS)
LONGEST_MARK = max(map(len, OPENINGS))
BLANKS = " \t\r\n\f\v\ufeff"


def _pattern(marks: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, marks)), re.IGNORECASE | re.ASCII)


OPENING, ANY_TAG = _pattern(OPENINGS), _pattern(TAG_MARKS)
CLOSING, ANY_CLOSING = {opening: _pattern([closing]) for opening, closing in TAGS.items()}, _pattern(CLOSINGS)
_MARK_CHARACTER = re.compile("[<\\[◁]")
CHANNEL_END, BARE_CLOSING = _pattern(CHANNEL_ENDS), re.compile(BARE_END)

_MODELS_WITH_OPEN_REASONING = re.compile(
    r"deepseek-?r1|\br1-distill|\bqwq|qwen-?3.*thinking|minimax-m[12]|exaone-deep", re.IGNORECASE
)
"""Models whose chat template opens the thinking, so that a server without a parser for it returns only its end."""


def is_reasoning_tag(token: str) -> bool:
    """True if a token of a vocabulary begins or ends thinking."""
    return token.lower() in TAG_MARKS


class ReasoningState(Enum):
    """State of the thinking at the beginning of a completion."""

    ANSWER = auto()
    """No thinking is open; the completion may open it."""
    UNKNOWN = auto()
    """The prompt may have opened it: nothing is certain before a closing mark or the end."""
    REASONING = auto()
    """The prompt has opened it."""


def start_state_of_model(model: str) -> ReasoningState:
    """Return the state at the beginning of completions of the model with this name."""
    return (
        ReasoningState.UNKNOWN
        if _MODELS_WITH_OPEN_REASONING.search(model.rpartition("#")[2])
        else ReasoningState.ANSWER
    )


def start_state_after_prompt(prompt: str) -> ReasoningState:
    """Return the state at the beginning of a completion that continues this prompt, as the chat template wrote it."""
    end = prompt[-64:].rstrip().lower()
    return ReasoningState.REASONING if end.endswith(tuple(TAGS)) else ReasoningState.ANSWER


def may_have_tags(text: str) -> bool:
    """Return False if the text certainly has no mark. All but `BARE` have one of three characters."""
    return bool(_MARK_CHARACTER.search(text)) or text.lstrip(BLANKS).startswith(BARE)


def may_start_tag(text: str, marks: Iterable[str]) -> bool:
    """Return True if the text may be the beginning of one of the marks."""
    lowered = lower(text[:LONGEST_MARK])
    return len(text) < LONGEST_MARK and any(mark.startswith(lowered) for mark in marks)


def partial_tag_length(text: str, marks: Sequence[str]) -> int:
    """Return the number of characters at the text's end that may be the beginning of a mark."""
    return partial_match_length(lower(text[-LONGEST_MARK:]), marks)


def lower(text: str) -> str:
    """Return the text with ASCII in lower case, at the same length."""
    return "".join(each.lower() if each.isascii() else each for each in text)


_QUOTE = re.compile(r'\\.|(")', re.DOTALL)


def is_code(before: str) -> bool:
    """True if the text that follows is in code, or in a string of JSON."""
    line = before[before.rfind("\n") + 1 :]
    in_string = before.lstrip(BLANKS).startswith("{") and sum(map(bool, _QUOTE.findall(before))) % 2 == 1
    return before.count("```") % 2 == 1 or line.count("`") % 2 == 1 or in_string
