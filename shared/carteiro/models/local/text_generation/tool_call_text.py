"""Calls of tools in the text of a local model: JSON between the tags `<tool_call>`, as the chat templates of Qwen,
Hermes and others ask for it (https://huggingface.co/docs/transformers/chat_extras).
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from carteiro.models.json_search import strict_json
from carteiro.models.prompt import Prompt
from carteiro.models.results import Completion
from carteiro.models.written_calls import MAX_CALLS, WrittenCall, finish_reason, read_call, tool_calls

START_TAG = "<tool_call>"
TOOL_TAGS = (START_TAG, "</tool_call>", "<tool_response>", "</tool_response>")
"""Tags that only a template or the model may write."""
_SEGMENT = re.compile(r"<tool_call>(.*?)(?:</tool_call>|(?=<tool_call>)|\Z)", re.DOTALL)


def template_has_tools(template: str) -> bool:
    """Return True if a chat template describes tools, and asks for calls as JSON between the tags.

    Qwen3-Coder's has the tags too, but with XML between them.
    """
    return "tools" in template and START_TAG in template and "<function=" not in template


def shown_stops(prompt: Prompt) -> Sequence[str]:
    """Return the texts before which the text that is shown ends: calls are no part of it."""
    return (*prompt.stop, START_TAG) if prompt.tools else prompt.stop


def with_tool_calls(completion: Completion, prompt: Prompt) -> Completion:
    """Return the completion of the prompt with the calls in its text apart from it."""
    text, tag, _ = completion.text.partition(START_TAG)
    if not tag or not prompt.tools:
        return completion
    calls = [call for segment in _SEGMENT.findall(completion.text) for call in _read_segment(segment)][:MAX_CALLS]
    if prompt.tool_choice.mode == "none":
        return replace(completion, text=text.strip())
    cut = completion.finish_reason == "length"
    return replace(
        completion,
        text=text.strip(),
        tool_calls=tool_calls(calls, len(prompt.messages)),
        finish_reason=finish_reason(calls, cut=cut),
    )


def _read_segment(segment: str) -> list[WrittenCall]:
    """Return the calls between two tags; one without a name if they are not JSON."""
    try:
        data = strict_json(segment.strip())
    except ValueError:
        return [WrittenCall(arguments=segment.strip())]
    found = [read_call(each) for each in (data if isinstance(data, list) else [data]) if isinstance(each, dict)]
    return found or [WrittenCall(arguments=segment.strip())]
