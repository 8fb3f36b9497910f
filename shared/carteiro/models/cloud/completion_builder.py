"""Builder of completions from the parts of an answer, for all APIs.

Few fields of an answer are required: servers that speak these APIs leave fields out, or give them in another form.

The words of finish reasons come from the references of OpenAI, Azure, Gemini (`FinishReason`), Anthropic, Bedrock and
Cohere, and from vLLM, SGLang, TGI, Mistral, DeepSeek and Zhipu. An unknown word means that the completion is complete.
"""

import re
from collections.abc import Sequence
from enum import Enum, auto
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict

from carteiro.models.cloud.errors import filtered
from carteiro.models.cloud.message_content import Content
from carteiro.models.cloud.request_format import RequestFormat
from carteiro.models.cloud.token_counts import count_messages, estimate_tokens, read_usage
from carteiro.models.errors import InvalidOutput, Refused, Unavailable
from carteiro.models.prompt import Prompt
from carteiro.models.reasoning import ReasoningState
from carteiro.models.reasoning_split import split_reasoning
from carteiro.models.results import Completion
from carteiro.models.stop_sequences import truncate_at_stop
from carteiro.models.written_calls import finish_reason, tool_calls
from carteiro.schemas import FinishReason, ServiceTier, Usage
from carteiro.text.surrogates import repair_unicode


class FinishKind(Enum):
    """Kinds of reasons for the end of a completion."""

    STOP = auto()
    LENGTH = auto()
    """A limit of tokens, of the request or of the model."""
    FILTERED = auto()
    REFUSED = auto()
    TOOL_CALL = auto()
    """The model called a tool."""
    FAILED = auto()
    """The server failed before the end of the completion."""


_FINISH_PATTERNS = {
    FinishKind.REFUSED: re.compile(r"refus|declined"),
    FinishKind.FILTERED: re.compile(
        "filter|safety|recitation|block|prohibited|spii|moderat|flagged|polic|guardrail|sensitive|toxic|censor|harm"
        "|inappropriate|jailbreak|model_?armor|violat|risk_control"
    ),
    FinishKind.LENGTH: re.compile(
        r"length|max_?(new_|output_|completion_|total_|num_)?tokens|tokens?_?limit|limit_?(reached|exceeded)|error_limit"
        r"|context_?(window|limit|size)|truncat|num_?predict|cut_?off|out_of_tokens|^limit$"
    ),
    FinishKind.TOOL_CALL: re.compile(r"(tool|function)_?(call|use)"),
    FinishKind.FAILED: re.compile(
        r"error|fail|abort|cancel|time_?d?_?out|exception|insufficient_system_resource|overload|unavailable|interrupt"
        r"|disconnect|preempt"
    ),
}
"""The first pattern that fits counts: `error_toxic` of Cohere means a filter, its `error_limit` a limit."""


def classify_finish_reason(reason: Any) -> FinishKind:
    """Return the kind of a finish reason. A null or an empty reason counts as `STOP`."""
    if isinstance(reason, dict):  # {"type": "length"}
        reason = next((reason[name] for name in ("type", "reason", "name", "code") if reason.get(name)), None)
    if isinstance(reason, list):
        reason = reason[0] if reason else None
    return _classify_words(reason[:100]) if isinstance(reason, str) else FinishKind.STOP


@lru_cache
def _classify_words(reason: str) -> FinishKind:
    words = re.sub(r"[\s\-.:]+", "_", reason.strip().lower())
    return next((each for each, pattern in _FINISH_PATTERNS.items() if pattern.search(words)), FinishKind.STOP)


def has_finish_reason(reason: Any) -> bool:
    """Return True if a piece of an answer has a finish reason: it is the last piece with text."""
    if isinstance(reason, str):
        return reason.strip().lower() not in ("", "null", "none")
    return reason not in (None, {}, [], False)


class ResponsePart(BaseModel):
    """Base class of the parts of an answer. Fields that are not declared are ignored."""

    model_config = ConfigDict(hide_input_in_errors=True)  # A traceback must not show a completion.


def streamed_with_usage(body: dict[str, Any], form: RequestFormat) -> dict[str, Any]:
    """Return the request's body for an answer that is streamed, with its usage in the last piece."""
    with_usage = {} if "stream_options" in form.omitted else {"stream_options": {"include_usage": True}}
    return {**body, "stream": True, **with_usage}


def check_finish(content: Content, reason: Any, name: str, prompt: Prompt) -> FinishKind:
    """Return the kind of a completion's end. Raise the failure that the content or the finish reason stands for.

    `name` is the model's name in failures. Calls of tools that the `prompt` does not permit are
    removed. Raise `Refused`, `ContentFiltered`, `Unavailable` or `InvalidOutput`.
    """
    ended = classify_finish_reason(reason)
    if content.refusal or ended is FinishKind.REFUSED:
        raise Refused(f"{name} declined to answer")
    if ended is FinishKind.FILTERED:
        raise filtered(name, "completion")
    if ended is FinishKind.FAILED:
        raise Unavailable(f"{name} failed half way, with the finish reason {str(reason)[:40]!r}")
    if content.tool_calls and prompt.tools and prompt.tool_choice.mode != "none":
        return ended
    content.tool_calls = []
    if ended is FinishKind.TOOL_CALL and not (content.text or "").strip():
        raise InvalidOutput(f"{name} called a tool instead of answering")
    if content.text is None and ended is not FinishKind.LENGTH:
        raise InvalidOutput(f"{name} answered without a text")
    return ended


def build_completion(
    content: Content,
    ended: FinishKind,
    usage: Any,
    *,
    prompt: Prompt,
    stop: Sequence[str],
    beginning: ReasoningState = ReasoningState.ANSWER,
    strip: bool = False,
    tier: ServiceTier | None = None,
) -> Completion:
    """Return the completion up to the first stop sequence, without its reasoning.

    OpenAI's servers leave the stop sequence out, Transformers' server leaves it in, and the Responses API does not know
    stop sequences. `usage` is the answer's own count. If it has none, or only zeros, the tokens of the `prompt` and of
    the completion are estimated: an estimate serves quotas and budgets better. If `strip`, white space around the text
    is left out. `tier` served the call, as far as it is known.
    """
    cut = ended is FinishKind.LENGTH
    # A reasoning model may reach the limit before its first word.
    text = repair_unicode(content.text or "")
    text = text.strip() if strip else text
    split = split_reasoning(text, ReasoningState.ANSWER if content.reasoning else beginning, cut=cut)
    shown = [part.strip() for part in (repair_unicode(content.reasoning), split.reasoning or "")]
    reasoning = "\n\n".join(filter(None, shown)) or None
    answer, stopped = truncate_at_stop(split.answer, stop)
    counted = read_usage(usage, tier)
    if counted is None or not (counted.input_tokens or counted.output_tokens):
        called = "".join(call.name + call.arguments for call in content.tool_calls)
        written, read = estimate_tokens(text + content.reasoning + called), count_messages(prompt, estimate_tokens)
        counted = Usage(input_tokens=read, output_tokens=written, service_tier=tier)
    reason: FinishReason = "length" if split.unfinished or (cut and not stopped) else "stop"
    calls = content.tool_calls
    return Completion(
        answer,
        finish_reason(calls, cut=cut) if calls else reason,
        _with_reasoning_tokens(counted, reasoning, split.answer),
        reasoning,
        tool_calls(calls, len(prompt.messages)) if calls else (),
        thinking=reasoning if calls else None,
    )


def _with_reasoning_tokens(usage: Usage, reasoning: str | None, answer: str) -> Usage:
    """Return the usage with an estimate of the reasoning tokens, if the provider does not count them."""
    if not reasoning or usage.reasoning_tokens or not usage.output_tokens:
        return usage
    thought, answered = estimate_tokens(reasoning), estimate_tokens(answer)
    share = round(usage.output_tokens * thought / (thought + answered)) if thought else 0
    return usage.model_copy(update={"reasoning_tokens": min(max(share, 1), usage.output_tokens)})
