"""A server of one model with rules for requests. A test sets the rules and the reasoning."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from carteiro.models.cloud.client import CloudModel
from carteiro.models.prompt import Prompt
from carteiro.models.results import Completion
from tests.local_server import LocalServer
from tests.unit.models.cloud.cloud_models import PROMPT

Json = dict[str, Any]
Rule = Callable[[Json], tuple[int, Any] | None]
LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
APIS = ("chat", "responses", "completions")
SERVICE_OPTIONS = frozenset({"max_output_tokens"})
LIMITED_PROMPT = replace(PROMPT, max_output_tokens=96, service_options=SERVICE_OPTIONS)
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
SCHEMA_PROMPT = replace(PROMPT, json_schema=SCHEMA)


def error(message: str, status: int = 400, **more: Any) -> tuple[int, Any]:
    return status, {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}}


def unknown(*names: str, wording: str = "Unrecognized request argument supplied: {}", status: int = 400) -> Rule:
    """Return a rule against fields of the body."""

    def rule(body: Json) -> tuple[int, Any] | None:
        name = next((name for name in names if name in body), None)
        return error(wording.format(name), status) if name else None

    return rule


def extra_forbidden(name: str) -> Rule:
    """Return a rule with the error of Mistral's API and others on FastAPI (https://docs.mistral.ai/api,
    `HTTPValidationError`).
    """

    def rule(body: Json) -> tuple[int, Any] | None:
        loc = {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}
        return (422, {"object": "error", "message": {"detail": [loc]}}) if name in body else None

    return rule


def no_max_tokens(body: Json) -> tuple[int, Any] | None:
    """Apply the rule of OpenAI's reasoning models (https://platform.openai.com/docs/guides/reasoning)."""
    if "max_tokens" not in body:
        return None
    message = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    )
    return error(message, param="max_tokens", code="unsupported_parameter")


def only_temperature_1(body: Json) -> tuple[int, Any] | None:
    """Apply the rule of OpenAI's reasoning models."""
    if body.get("temperature", 1) == 1:
        return None
    message = (
        f"Unsupported value: 'temperature' does not support {body['temperature']} with this model. "
        "Only the default (1) value is supported."
    )
    return error(message, param="temperature", code="unsupported_value")


def formats(*taken: str, message: str = "This response_format type is unavailable now") -> Rule:
    """Return a rule against all formats of output except these. The message is DeepSeek's."""

    def rule(body: Json) -> tuple[int, Any] | None:
        wanted = body.get("response_format") or body.get("text", {}).get("format")
        if wanted is None or wanted["type"] in taken:
            if wanted and wanted["type"] == "json_object" and "json" not in json.dumps(messages_of(body)).lower():
                return error("'messages' must contain the word 'json' in some form, to use 'json_object'.")
            return None
        return error(message)

    return rule


def messages_of(body: Json) -> Any:
    """Return the messages, in each of the APIs."""
    return body.get("messages") or body.get("input") or body.get("prompt")


@dataclass
class StrictServer(LocalServer):
    """`async with StrictServer() as server`: listens on a free port; its models have all the `rules`. If
    `thinking_tokens` is set, the model reasons so many tokens before its answer, and a limit may leave no tokens for
    the answer.
    """

    path = "/v1"

    rules: list[Rule] = field(default_factory=list)
    text: str = "fine"
    thinking_tokens: int = 0
    empty: Json = field(default_factory=lambda: {"content": ""})
    """Message of an answer for which the reasoning has left no tokens."""
    truncated_text: str = ""
    """Part of an answer that is written in spite of the limit."""
    bodies: list[Json] = field(default_factory=list)

    def routes(self) -> list[web.RouteDef]:
        return [web.post(f"/v1/{api}", self._answer) for api in ("chat/completions", "responses", "completions")]

    @property
    def answered_requests(self) -> int:
        """Number of requests that were answered, and therefore cost money."""
        return sum(not any(rule(body) for rule in self.rules) for body in self.bodies)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        for rule in self.rules:
            if refusal := rule(body):
                return web.json_response(refusal[1], status=refusal[0])
        limit = next((body[name] for name in LIMITS if name in body), 10**9)
        cut = limit <= self.thinking_tokens
        text = self.truncated_text if cut else self.text
        tokens = min(limit, self.thinking_tokens + len(self.text.split()))
        answer, events = _APIS[request.path.removeprefix("/v1/")](self, text, cut, tokens)
        if not body.get("stream"):
            return web.json_response(answer)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in events:
            await response.write(f"data: {json.dumps(event)}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response


def _chat(server: StrictServer, text: str, cut: bool, tokens: int) -> tuple[Json, list[Json]]:
    reason = "length" if cut else "stop"
    details = {"reasoning_tokens": min(server.thinking_tokens, tokens)}
    usage = {"prompt_tokens": 10, "completion_tokens": tokens, "completion_tokens_details": details}
    message = server.empty if cut and not text else {"role": "assistant", "content": text}
    events = [
        {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
        {"choices": [], "usage": usage},
    ]
    return {"choices": [{"index": 0, "message": message, "finish_reason": reason}], "usage": usage}, events


def _responses(server: StrictServer, text: str, cut: bool, tokens: int) -> tuple[Json, list[Json]]:
    details = {"reasoning_tokens": min(server.thinking_tokens, tokens)}
    content = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    answer = {
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": [{"type": "reasoning", "summary": []}, *([content] if text else [])],
        "usage": {"input_tokens": 10, "output_tokens": tokens, "output_tokens_details": details},
    }
    delta = [{"type": "response.output_text.delta", "delta": text}] if text else []
    return answer, [*delta, {"type": f"response.{answer['status']}", "response": answer}]


def _completions(server: StrictServer, text: str, cut: bool, tokens: int) -> tuple[Json, list[Json]]:
    usage = {"prompt_tokens": 10, "completion_tokens": tokens}
    choice = {"index": 0, "text": text, "finish_reason": "length" if cut else "stop"}
    return {"choices": [choice], "usage": usage}, [{"choices": [choice]}, {"choices": [], "usage": usage}]


_APIS = {"chat/completions": _chat, "responses": _responses, "completions": _completions}


async def ask(model: CloudModel, prompt: Prompt, streams: bool = False) -> Completion:
    if not streams:
        return await model.complete(prompt)
    said: list[str] = []
    completion = await model.stream(prompt, said.append)
    assert "".join(said) == completion.text
    return completion


def limit(body: Json) -> dict[str, int]:
    return {name: body[name] for name in LIMITS if name in body}


def kind(body: Json) -> str | None:
    wanted = body.get("response_format") or body.get("text", {}).get("format")
    return wanted["type"] if wanted else None
