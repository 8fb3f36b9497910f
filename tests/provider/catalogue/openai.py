"""OpenAI itself, by each of its APIs (https://platform.openai.com/docs/api-reference).

Refusals: https://platform.openai.com/docs/guides/error-codes; of reasoning models
https://platform.openai.com/docs/guides/reasoning and https://github.com/griptape-ai/ComfyUI-Griptape/issues/312.
"""

from collections.abc import Iterator
from typing import Any

from aiohttp import web

from tests.provider import streams
from tests.provider.catalogue.behaviour import Behaviour, Refusal, error, event, kinds, lacks_json, unknown
from tests.provider.catalogue.fake_model import ModelOutput
from tests.provider.completions import Json, message, response, text_completion
from tests.provider.headers import header_names

CHAT_FIELDS = (
    "model messages temperature top_p n stream stream_options stop max_tokens max_completion_tokens seed user store"
    " response_format reasoning_effort verbosity logprobs metadata service_tier presence_penalty frequency_penalty"
    " prompt_cache_key tools tool_choice"
)
NO_JSON = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
LIMITED = "Rate limit reached for gpt-5 in organization org-x on tokens per min (TPM): Limit 30000, Used 29000."


def unsupported(name: str, message: str, code: str = "unsupported_parameter") -> Refusal:
    """Return the refusal of a parameter, or of its value."""
    return error(400, message, code=code, param=name)


class OpenAI(Behaviour):
    """A chat model in Chat Completions."""

    name = "openai"
    model = "gpt-4.1-mini"
    headers = header_names(
        {
            "x-ratelimit-limit-requests": "10000",
            "x-ratelimit-remaining-requests": "9999",
            "x-ratelimit-reset-requests": "6ms",
            "x-ratelimit-limit-tokens": "30000000",
            "x-ratelimit-remaining-tokens": "29999980",
            "x-ratelimit-reset-tokens": "0s",
        }
    )
    errors = kinds(
        rate_limited=error(429, f"{LIMITED} Please try again in 6.57s.", "tokens", "rate_limit_exceeded", waits=6.57),
        unpaid=error(
            429,
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
            "insufficient_quota",
        ),
        too_large=error(
            400,
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 204308 tokens.",
            code="context_length_exceeded",
        ),
        filtered=error(400, "Invalid prompt: your prompt was flagged.", code="invalid_prompt"),
        wrong_key=error(401, "Incorrect API key provided: sk-play**yed.", code="invalid_api_key"),
        unknown_model=error(404, "The model `gpt-6` does not exist.", code="model_not_found"),
        overloaded=error(503, "The engine is currently overloaded, please try again later.", "server_error"),
    )

    def settings(self, root: str) -> tuple[str, dict[str, str]]:
        return f"openai:{self.model}", {"OPENAI_API_KEY": "sk-played", "OPENAI_BASE_URL": f"{root}/v1"}

    def refused_effort(self, body: Json) -> Refusal | None:
        """Return the refusal of an amount of thinking."""
        if "reasoning_effort" not in body:
            return None
        message = "Unsupported parameter: 'reasoning_effort' is not supported with this model."
        return unsupported("reasoning_effort", message)

    def refusal(self, body: Json, request: web.Request) -> Refusal | None:
        if extra := unknown(body, CHAT_FIELDS):
            return error(400, f"Unrecognized request argument supplied: {extra[0]}")
        if refusal := self.refused_effort(body):
            return refusal
        return error(400, NO_JSON, param="messages") if lacks_json(body) else None


def refused_level(body: Json, *levels: str) -> Refusal | None:
    """Return the refusal of a level of thinking that is not among `levels`."""
    level = body.get("reasoning_effort", levels[0])
    message = (
        f"Unsupported value: 'reasoning_effort' does not support '{level}' with this model. "
        f"Supported values are: {', '.join(map(repr, levels))}."
    )
    return None if level in levels else unsupported("reasoning_effort", message, "unsupported_value")


def refused_by_reasoning(body: Json) -> Refusal | None:
    """Return the refusal of fields that reasoning models do not take."""
    if "max_tokens" in body:
        return unsupported(
            "max_tokens",
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'"
            " instead.",
        )
    if body.get("temperature", 1) != 1:
        value = body["temperature"]
        return unsupported(
            "temperature",
            f"Unsupported value: 'temperature' does not support {value} with this model. "
            "Only the default (1) value is supported.",
            "unsupported_value",
        )
    if "stop" in body:
        return unsupported("stop", "Unsupported parameter: 'stop' is not supported with this model.")
    return None


class OpenAIReasoning(OpenAI):
    """A reasoning model with hidden reasoning, which `max_completion_tokens` bounds."""

    name = "openai-gpt-5"
    model = "gpt-5-mini"
    thinks = 250

    def refused_effort(self, body: Json) -> Refusal | None:
        return refused_level(body, "minimal", "low", "medium", "high")

    def refusal(self, body: Json, request: web.Request) -> Refusal | None:
        return refused_by_reasoning(body) or super().refusal(body, request)


class OpenAIO(OpenAIReasoning):
    """The earlier series of reasoning models."""

    name = "openai-o4"
    model = "o4-mini"

    def refused_effort(self, body: Json) -> Refusal | None:
        return refused_level(body, "low", "medium", "high")


class GatewayReasoning(OpenAIReasoning):
    """The same model behind a gateway, under a name that does not identify it."""

    name = "gateway-gpt-5"
    model = "company-assistant"
    steps = 3
    settings = Behaviour.settings


class OpenAIResponses(OpenAI):
    """A model that has only the Responses API (https://platform.openai.com/docs/api-reference/responses/create)."""

    name = "openai-responses"
    model = "gpt-5-pro"
    thinks = 250
    limits = ("max_output_tokens",)

    def refusal(self, body: Json, request: web.Request) -> Refusal | None:
        known = "model input store temperature top_p max_output_tokens text stream reasoning metadata instructions"
        known += " tools tool_choice include"
        if extra := unknown(body, known):
            return error(400, f"Unknown parameter: '{extra[0]}'.", code="unknown_parameter", param=extra[0])
        if "temperature" in body:
            return unsupported(
                "temperature", "Unsupported parameter: 'temperature' is not supported with this model.", code=None
            )
        if any(each.get("type") == "reasoning" and not each.get("encrypted_content") for each in body["input"]):
            missing = "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false."
            return error(404, missing, param="input")
        if (body.get("max_output_tokens") or 16) < 16:
            wrong = "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got"
            return error(400, f"{wrong} {body['max_output_tokens']} instead.", code="integer_below_min_value")
        return None

    def whole(self, body: Json, output: ModelOutput) -> Json:
        thinking: Any = {"id": "rs_1", "type": "reasoning", "summary": []}
        if "reasoning.encrypted_content" in body.get("include", []):
            thinking["encrypted_content"] = "gAAA"
        items = [thinking, message(output.text)] if output.text else [thinking]
        items += [
            {"type": "function_call", "id": f"fc_{call['id']}", "call_id": call["id"], **call["function"]}
            for call in self.calls(output)
        ]
        answer = response(body, items, output.cut, output.prompt, output.tokens)
        answer["usage"]["output_tokens_details"] = {"reasoning_tokens": output.thinking}
        return answer

    def events(self, body: Json, output: ModelOutput) -> Iterator[str]:
        for piece in streams.pieces(body, self.whole(body, output)):
            yield event(piece, piece["type"])


class OpenAICompletions(OpenAI):
    """A model that is older than chat (https://platform.openai.com/docs/api-reference/completions/create)."""

    name = "openai-completions"
    model = "gpt-3.5-turbo-instruct"
    limits = ("max_tokens",)

    def refusal(self, body: Json, request: web.Request) -> Refusal | None:
        known = "model prompt max_tokens temperature top_p n stream stream_options stop seed user logprobs suffix echo"
        extra = unknown(body, known)
        return error(400, f"Unrecognized request argument supplied: {extra[0]}") if extra else None

    def whole(self, body: Json, output: ModelOutput) -> Json:
        return text_completion(body, f"\n\n{output.text}", self.finish(output), output.prompt, output.tokens)

    def pieces(self, body: Json, output: ModelOutput) -> Iterator[Json]:
        yield from streams.pieces(body, self.whole(body, output))
