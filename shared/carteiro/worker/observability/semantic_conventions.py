"""Attributes of OpenTelemetry's semantic conventions, all in one place.

They are the conventions for messaging and for generative AI, version 1.38
(https://opentelemetry.io/docs/specs/semconv/messaging/kafka/ and .../gen-ai/gen-ai-spans/). These conventions are still
in development, and may change.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from carteiro.models.prompt import Prompt
from carteiro.models.registry import find_provider
from carteiro.models.results import Completion, Embeddings
from carteiro.wire.record import Record

_MAX_KEY_BYTES = 200
"""Maximum bytes of a record's key in a span."""

Operation = Literal["chat", "embeddings", "language_service"]
"""`gen_ai.operation.name`. A local model that does something else than to embed texts counts as completing a
conversation. The conventions have none for a cloud's translator or classifier: `language_service` is our own."""
CHAT: Operation = "chat"


def process_attributes(record: Record, group: str, correlation_id: str) -> dict[str, Any]:
    """Return the attributes of the span of a request."""
    attributes = {
        **_messaging("process", record.topic),
        "messaging.destination.partition.id": str(record.partition),
        "messaging.kafka.offset": record.offset,
        "messaging.consumer.group.name": group,
        "messaging.message.conversation_id": correlation_id,
        "messaging.message.body.size": len(record.value or b""),
    }
    if record.key is not None:
        attributes["messaging.kafka.message.key"] = record.key[:_MAX_KEY_BYTES].decode(errors="replace")
    return attributes


def send_attributes(topic: str) -> dict[str, Any]:
    """Return the attributes of the span of a reply."""
    return _messaging("send", topic)


def model_attributes(name: str, operation: Operation = CHAT) -> dict[str, str]:
    """Return the attributes of the called model."""
    return {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": provider_name(name),
        "gen_ai.request.model": name.partition(":")[2].rpartition("#")[2],
    }


def tool_attributes(name: str) -> dict[str, str]:
    """Return the attributes of the span of a call of a tool."""
    return {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, "gen_ai.tool.type": "function"}


@cache
def provider_name(name: str) -> str:
    """Return `gen_ai.provider.name` of the called model."""
    provider = find_provider(name)
    return (provider and provider.telemetry_name) or name.partition(":")[0]


def prompt_attributes(prompt: Prompt) -> dict[str, Any]:
    """Return the attributes of a call: its options, but no text of the caller, not even stop sequences."""
    options = {
        "gen_ai.request.temperature": prompt.temperature,
        "gen_ai.request.top_p": prompt.top_p,
        "gen_ai.request.max_tokens": prompt.max_output_tokens,
        "gen_ai.request.seed": prompt.seed,
        "gen_ai.output.type": "json" if prompt.json_schema is not None else "text",
    }
    return {name: value for name, value in options.items() if value is not None}


def answer_attributes(answer: Completion | Embeddings) -> Mapping[str, Any]:
    """Return the attributes of a successful call."""
    usage = answer.usage
    if isinstance(answer, Embeddings):
        sizes = {"gen_ai.embeddings.dimension.count": len(answer.vectors[0])} if answer.vectors else {}
        return {"gen_ai.usage.input_tokens": usage.input_tokens, **sizes}
    return {
        "gen_ai.response.finish_reasons": [answer.finish_reason],
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_input_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
    }


def _messaging(operation: str, topic: str) -> dict[str, Any]:
    return {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
    }
