"""What the provider answers when nothing is wrong: the same request always gets the same completion."""

import json
from typing import Any

Json = dict[str, Any]


def complete(body: Json) -> Json:
    """A `chat.completion`: the user's last words again, or JSON of the schema that was asked for. A word is a token."""
    prompt = sum(len(message["content"].split()) for message in body["messages"])
    text = _text(body)
    words = text.split()
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or len(words)
    if len(words) > limit:
        return completion(body, " ".join(words[:limit]), "length", prompt, limit)
    return completion(body, text, "stop", prompt, len(words))


def completion(
    body: Json, content: str | None, finish_reason: str = "stop", prompt: int = 0, tokens: int = 0, **message: Any
) -> Json:
    """The answer's JSON as OpenAI's API reference shows it; `message` adds to the assistant's message."""
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
        "service_tier": "default",
        "system_fingerprint": None,
    }


def instance(schema: Json, root: Json | None = None) -> Any:
    """The plainest JSON that is valid against the schema (the part of JSON Schema that strict mode allows)."""
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


def last_words(body: Json) -> str:
    """What the user said last."""
    return next((str(said["content"]) for said in reversed(body["messages"]) if said["role"] == "user"), "")


def _text(body: Json) -> str:
    response_format = body.get("response_format")
    if response_format:
        return json.dumps(instance(response_format["json_schema"]["schema"]))
    text = last_words(body)
    for stop in body.get("stop", ()):
        text = text.partition(stop)[0]
    return text
