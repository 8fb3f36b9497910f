"""The AsyncAPI 3 document of the services, made from their schemas."""

from importlib.metadata import version
from typing import Any

from pydantic.json_schema import models_json_schema

from carteiro.schemas import ERROR_CODES, ErrorReply, OkReply, Request, StoredReply
from carteiro.wire.topics import Topics

_SCHEMA = "#/components/schemas/{model}"

_REQUEST_HEADERS = {
    "correlation_id": "Any bytes; the reply carries the same. Spring's `kafka_correlationId` and CloudEvents' `ce_id` "
    "are understood as well.",
    "reply_to": "Topic that the reply goes to; Spring's `kafka_replyTopic` as well.",
    "deadline": "Time (RFC 3339) after which no reply is wanted; past it no model is called.",
    "timeout_ms": "The same, in milliseconds from the record's timestamp.",
    "idempotency_key": "Repeated on the reply.",
    "traceparent": "W3C trace context; the reply continues the trace.",
    "tracestate": "W3C trace context.",
}
_REPLY_HEADERS = {
    "correlation_id": "The request's, or a random one if it had none.",
    "content-type": "`application/json`, or that of a CloudEvent where the request was one.",
    "idempotency_key": "The request's.",
    "traceparent": "W3C trace context.",
    "tracestate": "W3C trace context.",
}


def asyncapi(requests: list[type[Request[Any]]], topics: Topics) -> dict[str, Any]:
    """Return the document of the services for these requests."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {"error": _error_message(), "stored": _stored_message()}
    for request in requests:
        task = request.task
        messages[f"{task}Request"] = _request_message(request)
        messages[f"{task}Reply"] = _reply_message(request)
        channels[f"{task}Requests"] = _channel(topics.requests(task), f"Requests to {task}.", [f"{task}Request"])
        channels[f"{task}Replies"] = _channel(
            topics.replies(task),
            f"Replies of {task}, where a request names no other topic.",
            [f"{task}Reply", "stored", "error"],
        )
        operations[task] = _operation(request)
    models = [model for request in requests for model in (request, OkReply[request.result])]  # type: ignore[name-defined]
    _, definitions = models_json_schema(
        [(model, "validation") for model in (*models, StoredReply, ErrorReply)], ref_template=_SCHEMA
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Carteiro",
            "version": version("carteiro"),
            "description": "LLM work over Kafka: a request sent to one topic comes back, done, on another.\n\n"
            + "\n".join(f"- `{code}`: {meaning}" for code, meaning in ERROR_CODES.items()),
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": definitions["$defs"]},
    }


def _channel(address: str, description: str, messages: list[str]) -> dict[str, Any]:
    return {
        "address": address,
        "description": description,
        "messages": {name: _ref("components", "messages", name) for name in messages},
        "bindings": {"kafka": {"topic": address}},
    }


def _operation(request: type[Request[Any]]) -> dict[str, Any]:
    task = request.task
    return {
        "action": "receive",
        "summary": _summary(request),
        "channel": _ref("channels", f"{task}Requests"),
        "messages": [_ref("channels", f"{task}Requests", "messages", f"{task}Request")],
        "reply": {
            "address": {
                "location": "$message.header#/reply_to",
                "description": "Where the request names no topic, the one of this channel.",
            },
            "channel": _ref("channels", f"{task}Replies"),
            "messages": [
                _ref("channels", f"{task}Replies", "messages", name) for name in (f"{task}Reply", "stored", "error")
            ],
        },
    }


def _request_message(request: type[Request[Any]]) -> dict[str, Any]:
    examples = request.model_json_schema()["examples"]
    return _message(_summary(request), request.__name__, _REQUEST_HEADERS, examples)


def _reply_message(request: type[Request[Any]]) -> dict[str, Any]:
    reply = {
        "status": "ok",
        "task": request.task,
        "request_id": f"llm.{request.task}.requests/0/17",
        "model": "local:smollm2",
        "finish_reason": "stop",
        "usage": {"input_tokens": 120, "output_tokens": 24},
        "timing": {"queue_ms": 3, "work_ms": 840},
    }
    examples = [{**reply, "result": result} for result in request.result.model_json_schema()["examples"]]
    return _message(f"The reply of {request.task}.", f"OkReply_{request.result.__name__}_", _REPLY_HEADERS, examples)


def _error_message() -> dict[str, Any]:
    examples = ErrorReply.model_json_schema()["examples"]
    return _message("The reply to a request that could not be done.", "ErrorReply", _REPLY_HEADERS, examples)


def _stored_message() -> dict[str, Any]:
    examples = StoredReply.model_json_schema()["examples"]
    return _message("The reply with a result that is in a bucket.", "StoredReply", _REPLY_HEADERS, examples)


def _message(summary: str, schema: str, headers: dict[str, str], examples: list[Any]) -> dict[str, Any]:
    return {
        "name": schema,
        "summary": summary,
        "contentType": "application/json",
        "correlationId": {"location": "$message.header#/correlation_id"},
        "headers": {
            "type": "object",
            "properties": {name: {"type": "string", "description": text} for name, text in headers.items()},
        },
        "payload": {"$ref": _SCHEMA.format(model=schema)},
        "bindings": {"kafka": {"key": {"type": ["string", "null"], "description": "Any bytes; the reply has it too."}}},
        "examples": [{"payload": example} for example in examples],
    }


def _summary(request: type[Request[Any]]) -> str:
    return (request.__doc__ or "").partition("\n")[0]


def _ref(*path: str) -> dict[str, str]:
    return {"$ref": "#/" + "/".join(path)}
