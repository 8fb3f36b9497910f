"""The Responses API (https://platform.openai.com/docs/api-reference/responses/create). Some models of OpenAI have only
this API. Nothing is stored at the provider, except answers in the background.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Self

from pydantic import model_validator

from carteiro.models.cloud.completion_builder import (
    FinishKind,
    ResponsePart,
    build_completion,
    check_finish,
    classify_finish_reason,
)
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.errors import failure_in
from carteiro.models.cloud.message_content import Content, read_message, read_parts
from carteiro.models.cloud.provider_options import provider_options, special_tier
from carteiro.models.cloud.reasoning_effort import reasoning_object
from carteiro.models.cloud.reasoning_models import is_reasoning_model
from carteiro.models.cloud.request_format import RequestFormat
from carteiro.models.cloud.strict_schema import can_be_strict
from carteiro.models.cloud.tool_format import response_items, response_tools, thinking_json
from carteiro.models.errors import ModelError, Unavailable
from carteiro.models.prompt import Prompt
from carteiro.models.reasoning import ReasoningState
from carteiro.models.results import Completion
from carteiro.models.written_calls import read_call
from carteiro.schemas.media_file import MediaKind

PATH = "/responses"
MEDIA: Collection[MediaKind] = ("image", "pdf")
PENDING_STATUSES = ("queued", "in_progress")
"""Statuses of an answer in the background that is not at its end."""
_REASONING_ITEM = {"id": str, "type": str, "summary": list, "encrypted_content": str}
WRITTEN_STATUSES = ("completed", "incomplete")
FINAL_STATUSES = (*WRITTEN_STATUSES, "failed", "cancelled")
"""Statuses that end an answer."""


def request(endpoint: Endpoint, prompt: Prompt, form: RequestFormat) -> dict[str, Any]:
    """Return the request's body. The API has no stop sequences: the completion is cut at them afterwards. It does not
    know `seed` either; the provider rejects a caller's seed.
    """
    body: dict[str, Any] = {
        "model": endpoint.model,
        "input": [item for message in form.adapted_messages(prompt) for item in response_items(message)],
        **form.sampling_options(prompt),
        **form.limit_field(prompt, "max_output_tokens"),
        **provider_options(endpoint, prompt, form, reasoning_object),
    }
    if "store" not in form.omitted:
        body["store"] = False
    if (schema := prompt.json_schema) is not None and (wanted := form.schema_format(schema, can_be_strict(schema))):
        body["text"] = {"format": wanted}
    if prompt.tools:
        body |= response_tools(prompt)
        if "include" not in form.omitted and is_reasoning_model(endpoint.model):
            body["include"] = ["reasoning.encrypted_content"]
    return body


def completion(answer: Any, prompt: Prompt, name: str, beginning: ReasoningState = ReasoningState.ANSWER) -> Completion:
    """Return the completion in the answer's JSON. `name` is the model's name in failures, `beginning` the state of its
    reasoning at the start of the completion.

    Raise the errors of `carteiro.models.errors`, and pydantic's `ValidationError` if the JSON is not such an answer.
    """
    if isinstance(answer, dict) and "output" not in answer and isinstance(answer.get("response"), dict):
        answer = answer["response"]
    read = _ResponsesAnswer.model_validate(answer)
    content, called = output_content(read.output or [])
    if content.text is None and isinstance(read.output_text, str):
        content.add_text(read.output_text)
    ended = check_finish(content, _finish_reason(read, content, name, called=called), name, prompt)
    done = build_completion(
        content,
        ended,
        read.usage,
        prompt=prompt,
        stop=prompt.stop,
        beginning=beginning,
        tier=special_tier(answer),
    )
    return replace(done, thinking=_encrypted_thinking(read.output or [])) if done.tool_calls else done


def _encrypted_thinking(output: list[Any]) -> str | None:
    """Return the items of reasoning as JSON; None if they cannot go back: without storage the provider takes only
    encrypted ones (https://platform.openai.com/docs/guides/reasoning, "Encrypted reasoning items"), each before what
    followed it.
    """
    items = [each for each in output if isinstance(each, dict) and each.get("type") == "reasoning"]
    if output[: len(items)] != items:
        return None
    items = [{name: item.get(name) for name in _REASONING_ITEM} for item in items]
    whole = all(isinstance(item[name], kind) for item in items for name, kind in _REASONING_ITEM.items())
    return thinking_json(items) if whole else None


def streamed(body: dict[str, Any], form: RequestFormat) -> dict[str, Any]:  # noqa: ARG001
    """Return the request's body for an answer that is streamed."""
    return {**body, "stream": True}


def in_background(body: dict[str, Any], form: RequestFormat) -> dict[str, Any]:
    """Return the request's body for an answer in the background, which the provider stores. Without `store` it may keep
    an answer for 10 minutes only.
    """
    return {**body, "background": True} | ({} if "store" in form.omitted else {"store": True})


def output_content(output: list[Any]) -> tuple[Content, bool]:
    """Return the content of an output's items, and True if one of them calls a tool."""
    content, called = Content(), False
    for item in output:
        if not isinstance(item, dict):
            continue
        kind = item["type"] if isinstance(item.get("type"), str) else ""
        if kind == "reasoning":
            content.reasoning += "".join(_reasoning_text(item.get(name)) for name in ("summary", "content"))
        elif kind in ("", "message") or item.get("role") == "assistant":
            content.add(read_message(item))
        elif kind in ("output_text", "text", "refusal"):
            content.add(read_parts(item))
        elif kind == "function_call":
            content.tool_calls.append(read_call(item))
        called = called or kind.endswith("_call")
    return content, called


def _reasoning_text(value: Any) -> str:
    found = read_parts(value)
    return (found.text or "") + found.reasoning


def _finish_reason(read: "_ResponsesAnswer", content: Content, name: str, *, called: bool) -> Any:
    """Return the finish reason, in the words of Chat Completions. Raise the failure that the status stands for."""
    written = bool((content.text or "").strip())
    match read.status:
        case "completed" | None:
            pass
        case "incomplete":
            reason = read.incomplete_details.get("reason") if isinstance(read.incomplete_details, dict) else None
            if classify_finish_reason(reason) is not FinishKind.STOP:
                return reason
            if not written:
                raise Unavailable(f"{name} did not finish, for the unknown reason {str(reason)[:40]!r}")
            return "length"
        case "failed" | "cancelled" | "expired":
            raise _failure(read.error, name)
        case unknown:
            if not (written or called):
                raise Unavailable(f"{name} ended with the unknown status {str(unknown)[:40]!r}")
    return "tool_calls" if called else "stop"


def _failure(error: Any, name: str) -> ModelError:
    """Return the failure of an answer that failed before its end (`ResponseErrorCode` in openai/openai-openapi)."""
    failure = failure_in({"error": error}, name, None)
    return failure or Unavailable(f"{name} failed, with no reason given")


class _ResponsesAnswer(ResponsePart):
    output: list[Any] | None = None
    output_text: Any = None
    status: Any = None
    error: Any = None
    incomplete_details: Any = None
    usage: Any = None

    @model_validator(mode="after")
    def _has_an_output(self) -> Self:
        if self.output is None and not isinstance(self.output_text, str):
            raise ValueError("has no output")
        return self
