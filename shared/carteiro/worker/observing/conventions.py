"""The names by which OpenTelemetry knows what a worker does, all in one place.

Those of messaging and of generative AI (https://opentelemetry.io/docs/specs/semconv/messaging/kafka/ and
.../gen-ai/gen-ai-spans/, semantic conventions 1.38). They are still in development there, and may change.
"""

from collections.abc import Mapping
from typing import Any

from carteiro.models.interface import Completion, Prompt
from carteiro.wire.record import Record

PROVIDERS = {
    "openai": "openai",
    "azure": "azure.ai.openai",
    "google": "gcp.gen_ai",
    "http": "openai_compatible",
    "https": "openai_compatible",
    "local": "local",
}
"""`gen_ai.provider.name`, by the first part of a model's name. The last two are ours: the conventions have none."""

OPERATION = "chat"
"""`gen_ai.operation.name`: whatever the task, the model is asked to complete a conversation."""


def processing(record: Record, group: str, correlation_id: str) -> dict[str, Any]:
    """Attributes of the span of a request that is served."""
    attributes = {
        **_messaging("process", record.topic),
        "messaging.destination.partition.id": str(record.partition),
        "messaging.kafka.offset": record.offset,
        "messaging.consumer.group.name": group,
        "messaging.message.conversation_id": correlation_id,
        "messaging.message.body.size": len(record.value or b""),
    }
    if record.key is not None:
        attributes["messaging.kafka.message.key"] = record.key.decode(errors="replace")
    return attributes


def sending(topic: str) -> dict[str, Any]:
    """Attributes of the span of a reply that is sent."""
    return _messaging("send", topic)


def model_of(name: str) -> dict[str, str]:
    """Attributes that say which model is called."""
    kind, _, model = name.partition(":")
    return {
        "gen_ai.operation.name": OPERATION,
        "gen_ai.provider.name": PROVIDERS.get(kind, kind),
        "gen_ai.request.model": model.rpartition("#")[2],
    }


def asking(prompt: Prompt) -> dict[str, Any]:
    """Attributes of a call: what was asked for, and never the text."""
    asked = {
        "gen_ai.request.temperature": prompt.temperature,
        "gen_ai.request.max_tokens": prompt.max_output_tokens,
        "gen_ai.request.seed": prompt.seed,
        "gen_ai.request.stop_sequences": list(prompt.stop) or None,
        "gen_ai.output.type": "json" if prompt.json_schema is not None else "text",
    }
    return {name: value for name, value in asked.items() if value is not None}


def answered(completion: Completion) -> Mapping[str, Any]:
    """Attributes of a call that went well."""
    usage = completion.usage
    return {
        "gen_ai.response.finish_reasons": [completion.finish_reason],
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
