"""The schemas of a task's requests and replies in a registry."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from carteiro.schemas import ErrorReply, OkReply, PartialReply, Request, StoredReply
from carteiro.wire.topics import Topics

if TYPE_CHECKING:  # it needs an extra
    from carteiro.registry.connection import Registry
    from carteiro.registry.registered_schema import SchemaText, SchemaType
    from carteiro.registry.task_format import TaskFormat


@dataclass(frozen=True, slots=True)
class TopicSchema:
    """A schema of one of a task's own topics."""

    topic: str
    record_name: str | None
    schema: "SchemaText"


def task_format(request: type[Request[Any]], registry: "Registry", topics: Topics) -> "TaskFormat":
    """Return the formats of a task's requests and replies.

    A reply may go to any topic, but its schema is registered for the task's own topic of replies: callers have topics
    of their own without end.
    """
    return registry.task_format(
        topics.replies(request.task), _reply_name(request), _request_schema(request), reply_schemas(request)
    )


def task_schemas(request: type[Request[Any]], kind: "SchemaType", topics: Topics) -> Iterator[TopicSchema]:
    """Yield the schemas of a task's topics of requests and replies.

    The schema of replies is the one that workers register. A JSON Schema of requests is the whole schema, of which
    other formats have the types only. Raise `MemberRefused` if the format cannot have the name of a field.
    """
    from carteiro.registry.derived_schema import derive_schema, object_members, record_name_of
    from carteiro.registry.registered_schema import SchemaText

    whole, topic = _request_schema(request), topics.requests(request.task)
    if kind == "JSON":
        name = record_name_of(request.__name__)
        yield TopicSchema(topic, name, SchemaText("JSON", json.dumps({**whole, "title": name}, ensure_ascii=False)))
    else:
        derived = derive_schema(kind, request.__name__, object_members(whole)).extension
        yield TopicSchema(topic, derived.record_name, derived.schema)
    derived = derive_schema(kind, _reply_name(request), object_members(*reply_schemas(request))).extension
    yield TopicSchema(topics.replies(request.task), derived.record_name, derived.schema)


def _reply_name(request: type[Request[Any]]) -> str:
    return f"{request.__name__.removesuffix('Request')}Reply"


def _request_schema(request: type[Request[Any]]) -> Mapping[str, Any]:
    return request.model_json_schema(mode="validation")


def reply_schemas(request: type[Request[Any]]) -> list[dict[str, Any]]:
    """Return the JSON Schemas of the replies and chunks that a task writes."""
    ok: Any = OkReply[request.result]  # type: ignore[name-defined]
    models = [ok, StoredReply, ErrorReply, *([PartialReply] if request.streams else [])]
    return [model.model_json_schema(mode="serialization") for model in models]
