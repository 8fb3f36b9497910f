"""The schemas of a task's requests and replies in a registry."""

from typing import TYPE_CHECKING, Any

from carteiro.schemas import ErrorReply, OkReply, PartialReply, Request
from carteiro.wire.topics import Topics

if TYPE_CHECKING:  # it needs an extra
    from carteiro.registry.connection import Registry
    from carteiro.registry.task_format import TaskFormat


def task_format(request: type[Request[Any]], registry: "Registry", topics: Topics) -> "TaskFormat":
    """Return the formats of a task's requests and replies.

    A reply may go to any topic, but its schema is registered for the task's own topic of replies: callers have topics
    of their own without end.
    """
    name = f"{request.__name__.removesuffix('Request')}Reply"
    return registry.task_format(topics.replies(request.task), name, reply_schemas(request))


def reply_schemas(request: type[Request[Any]]) -> list[dict[str, Any]]:
    """Return the JSON Schemas of the good replies, error replies and chunks that a task writes."""
    ok: Any = OkReply[request.result]  # type: ignore[name-defined]
    models = [ok, ErrorReply, *([PartialReply] if request.streams else [])]
    return [model.model_json_schema(mode="serialization") for model in models]
