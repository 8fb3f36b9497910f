"""Answers of the provider without a fault: the same request always gets the same completion.

The body shows the API: Chat Completions has `messages`, Responses `input`, Completions `prompt`.
"""

import json
from typing import Any

from tests.provider.contents import text_of

Json = dict[str, Any]


def complete(body: Json) -> Json:
    """Return the user's last words, or JSON of the requested schema. A word is a token."""
    prompt = sum(len(message["content"].split()) for message in messages(body))
    text = _text(body)
    words = text.split()
    limits = ("max_completion_tokens", "max_tokens", "max_output_tokens")
    limit = next((body[name] for name in limits if body.get(name)), len(words))
    if len(words) > limit:
        return answer(body, " ".join(words[:limit]), "length", prompt, limit)
    return answer(body, text, "stop", prompt, len(words))


def answer(body: Json, text: str, finish_reason: str = "stop", prompt: int = 0, tokens: int = 0) -> Json:
    """Return the answer in the form of the called API."""
    if body.get("api") == "messages":
        return anthropic_message(body, text, finish_reason, prompt, tokens)
    if "input" in body:
        return response(body, [message(text)], finish_reason == "length", prompt, tokens)
    if "prompt" in body:
        return text_completion(body, text, finish_reason, prompt, tokens)
    return completion(body, text, finish_reason, prompt, tokens)


def response(body: Json, output: list[Json], cut: bool = False, prompt: int = 0, tokens: int = 0, **more: Any) -> Json:
    """Return a `response` in the form of OpenAI's API reference."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_760_000_000,
        "status": "incomplete" if cut else "completed",
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "model": body["model"],
        "output": output,
        "usage": {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt + tokens,
        },
        **more,
    }


def message(*texts: str, refusal: str | None = None) -> Json:
    """Return an item of a response's `output`."""
    parts: list[Json] = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []} for text in texts]
    if refusal is not None:
        parts.append({"type": "refusal", "refusal": refusal})
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": parts}


def anthropic_message(body: Json, text: str, finish_reason: str, prompt: int, tokens: int) -> Json:
    """Return a `message` in the form of Anthropic's API reference."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [{"type": "text", "text": text}],
        "stop_reason": {"stop": "end_turn", "length": "max_tokens"}[finish_reason],
        "stop_sequence": None,
        "usage": {"input_tokens": prompt, "output_tokens": tokens},
    }


def text_completion(body: Json, text: str, finish_reason: str = "stop", prompt: int = 0, tokens: int = 0) -> Json:
    """Return a `text_completion` in the form of OpenAI's API reference."""
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1_760_000_000,
        "model": body["model"],
        "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens},
    }


def completion(
    body: Json, content: str | None, finish_reason: str = "stop", prompt: int = 0, tokens: int = 0, **message: Any
) -> Json:
    """Return the answer's JSON in the form of OpenAI's API reference; `message` adds to the assistant's message.

    It names the tier that served it (https://developers.openai.com/api/docs/guides/flex-processing).
    """
    tier = body.get("service_tier") or "auto"
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": None, "annotations": [], **message},
                "logprobs": None,
                "finish_reason": finish_reason,
            }
        ],
        "usage": {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens},
        "service_tier": {"fast": "priority", "auto": "default"}.get(tier, tier),
        "system_fingerprint": None,
    }


def instance(schema: Json, root: Json | None = None) -> Any:
    """Return the simplest JSON that is valid against the schema (the part of JSON Schema that strict mode allows)."""
    root = root or schema
    if "$ref" in schema:
        part: Any = root
        for key in schema["$ref"].removeprefix("#/").split("/"):
            part = part[key]
        return instance(part, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return instance(schema["anyOf"][0], root)
    kind = schema.get("type", "object")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            return {name: instance(part, root) for name, part in schema.get("properties", {}).items()}
        case "array":
            return [instance(schema["items"], root)] * schema.get("minItems", 1)
        case "string":
            return "text"
        case "integer" | "number":
            return schema.get("maximum", schema.get("minimum", 0))
        case "boolean":
            return True
        case _:
            return None


def messages(body: Json) -> list[Json]:
    """Return the messages of the request, in each of the APIs. Contents are text: see `contents.text_of`."""
    if "prompt" in body:
        return [{"role": "user", "content": body["prompt"]}]
    found: list[Any] = body.get("input") or body["messages"]
    each_message = ({"role": "user", "content": each} if isinstance(each, str) else each for each in found)
    return [{**each, "content": text_of(each.get("content") or "")} for each in each_message]


def last_words(body: Json) -> str:
    """Return the text of the user's last message."""
    return next((str(found["content"]) for found in reversed(messages(body)) if found.get("role") == "user"), "")


def _text(body: Json) -> str:
    if "response_format" in body:
        return json.dumps(instance(body["response_format"]["json_schema"]["schema"]))
    if "text" in body:
        return json.dumps(instance(body["text"]["format"]["schema"]))
    text = last_words(body)
    for stop in body.get("stop", ()):
        text = text.partition(stop)[0]
    return text
