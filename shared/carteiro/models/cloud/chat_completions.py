"""The Chat Completions API (https://platform.openai.com/docs/api-reference/chat/create), which most servers speak."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import Field

from carteiro.models.cloud.completion_builder import (
    FinishKind,
    ResponsePart,
    build_completion,
    check_finish,
    classify_finish_reason,
    has_finish_reason,
    streamed_with_usage,
)
from carteiro.models.cloud.content_parts import chat_file
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.errors import filtered
from carteiro.models.cloud.message_content import Content, is_filtered, read_message, read_parts
from carteiro.models.cloud.provider_options import provider_options, special_tier
from carteiro.models.cloud.request_format import LOGPROBS_FIELDS, RequestFormat
from carteiro.models.cloud.strict_schema import can_be_strict
from carteiro.models.cloud.token_choices import read_token_choices
from carteiro.models.cloud.token_counts import read_usage
from carteiro.models.cloud.tool_format import chat_tools
from carteiro.models.prompt import Prompt
from carteiro.models.reasoning import ReasoningState
from carteiro.models.results import Completion
from carteiro.schemas.media_file import MediaKind

PATH = "/chat/completions"
MEDIA: Collection[MediaKind] = ("image", "pdf", "audio")
streamed = streamed_with_usage
FINISH_REASON_FIELDS = ("finish_reason", "finishReason", "stop_reason", "native_finish_reason", "done_reason")
FILTER_FIELDS = ("content_filter_results", "content_filter_result", "content_filter_offsets")
PROMPT_FILTER_FIELDS = ("prompt_filter_results", "promptFeedback", "prompt_feedback")


def request(endpoint: Endpoint, prompt: Prompt, form: RequestFormat) -> dict[str, Any]:
    """Return the request's body in the form that the model takes."""
    other = "max_tokens" if endpoint.completion_limit == "max_completion_tokens" else "max_completion_tokens"
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": form.messages(prompt, partial(chat_file, pdf=endpoint.pdf)),
        **form.sampling_options(prompt, endpoint.seed),
        **form.limit_field(prompt, endpoint.completion_limit, other),
        **provider_options(endpoint, prompt, form),
    }
    if stop := form.stop_sequences(prompt):
        body["stop"] = stop
    if (schema := prompt.json_schema) is not None and (wanted := form.schema_format(schema, can_be_strict(schema))):
        kind = wanted.pop("type")
        body["response_format"] = {"type": kind, kind: wanted} if wanted else {"type": kind}
    if prompt.tools:
        body |= chat_tools(prompt)
    if prompt.alternative_tokens and form.omitted.isdisjoint(LOGPROBS_FIELDS):
        body |= {"logprobs": True, "top_logprobs": prompt.alternative_tokens}
    return body


def completion(answer: Any, prompt: Prompt, name: str, beginning: ReasoningState = ReasoningState.ANSWER) -> Completion:
    """Return the completion in the answer's JSON. `name` is the model's name in failures, `beginning` the state of its
    reasoning at the start of the completion.

    Raise the errors of `carteiro.models.errors`, and pydantic's `ValidationError` if the JSON is not such an answer.
    """
    return read_choices(answer, prompt, name, stop=prompt.stop, beginning=beginning)


class _ChoicesAnswer(ResponsePart):
    choices: list[dict[str, Any]] = Field(min_length=1)


def read_choices(
    answer: Any,
    prompt: Prompt,
    name: str,
    *,
    stop: Sequence[str],
    beginning: ReasoningState,
    strip: bool = False,
) -> Completion:
    """Return the completion in JSON with a list of choices, as Chat Completions and Completions have it.

    `name` is the model's name in failures, `beginning` the state of the reasoning at the start. If `strip`, white space
    around the text is left out.

    Raise the errors of `carteiro.models.errors`, and pydantic's `ValidationError` if the JSON is not such an answer.
    """
    choice = first_choice(answer)
    content = Content() if choice is None else choice_content(choice, ("message", "delta"))
    if not content.text and not content.tool_calls and isinstance(answer, dict):
        _check_filters(answer, choice or {}, name)
    if choice is None:
        choice = _ChoicesAnswer.model_validate(answer).choices[0]
    ended = check_finish(content, _finish_reason(choice, content), name, prompt)
    usage = find_usage(answer, choice)
    built = build_completion(
        content,
        ended,
        usage,
        prompt=prompt,
        stop=stop,
        beginning=beginning,
        strip=strip,
        tier=special_tier(answer),
    )
    return replace(built, tokens=read_token_choices(choice)) if prompt.alternative_tokens else built


def first_choice(answer: Any, index: int | None = None) -> dict[str, Any] | None:
    """Return the choice with this index, or else the first choice."""
    if not isinstance(answer, dict):
        return None
    choices = answer.get("choices")
    if isinstance(choices, list):
        found = [each for each in choices if isinstance(each, dict)]
        return next(
            (each for each in found if index is not None and each.get("index") == index), next(iter(found), None)
        )
    if isinstance(choices, dict):
        return choices
    return answer if isinstance(answer.get("message"), dict) else None  # Ollama's own API.


def find_usage(answer: dict[str, Any], choice: dict[str, Any] | None) -> Any:
    """Return the usage. Moonshot has it in the choice, Groq in a field of its own."""
    holders = (answer, choice or {}, answer.get("x_groq"))
    found = [holder["usage"] for holder in holders if isinstance(holder, dict) and holder.get("usage") is not None]
    if len(found) < 2:
        return found[0] if found else None
    return next((usage for usage in found if read_usage(usage) is not None), answer.get("usage"))


def choice_content(choice: dict[str, Any], names: Sequence[str]) -> Content:
    """Return the content of a choice: of the first of the fields `names` that has any, or else of its `text`."""
    found = Content()
    for name in names:
        if choice.get(name) is not None and found == Content():
            found = read_message(choice[name])
    if found.text is None:
        found.add(read_parts(choice.get("text")))
    return found


def _finish_reason(choice: dict[str, Any], content: Content) -> Any:
    given = [choice[name] for name in FINISH_REASON_FIELDS if has_finish_reason(choice.get(name))]
    if (content.text or "").strip():
        return given[0] if given else None
    return next((reason for reason in given if classify_finish_reason(reason) is not FinishKind.STOP), None)


def _check_filters(answer: dict[str, Any], choice: dict[str, Any], name: str) -> None:
    """Raise `ContentFiltered` if a filter's results say why there is no text."""
    if any(is_filtered(answer.get(each)) for each in PROMPT_FILTER_FIELDS):
        raise filtered(name, "prompt")
    if any(is_filtered(choice.get(each)) for each in FILTER_FIELDS):
        raise filtered(name, "completion")
