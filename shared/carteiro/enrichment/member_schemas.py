"""JSON Schemas of what the steps of an enrichment write, derived without an event."""

from collections.abc import Mapping
from typing import Any

from carteiro.enrichment.enrichment_file import EnrichmentFile
from carteiro.enrichment.expression import Path
from carteiro.schemas import REQUESTS

_ERRORS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {name: {"type": "string"} for name in ("step", "task", "code", "message")},
    },
}


def result_schemas() -> dict[str, Mapping[str, Any]]:
    """Return the JSON Schemas of the tasks' results, by the task."""
    return {task: request.result.model_json_schema(mode="serialization") for task, request in REQUESTS.items()}


def member_schemas(
    file: EnrichmentFile, results: Mapping[str, Mapping[str, Any]]
) -> dict[Path, Mapping[str, Any] | None]:
    """Return the JSON Schemas of the members that an enrichment writes, by their paths.

    `results` are the JSON Schemas of the tasks' results, by the task. None stands for a value of any kind: the step's
    expression is more than a path or an object of paths.
    """
    members = {step.into: _taken(step.take.tree, results.get(step.task)) for step in file.steps}
    if "keep" in {file.on_error, *(step.on_error for step in file.steps)}:
        members[file.errors_into] = _ERRORS
    return members


def _taken(node: Mapping[str, Any], schema: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the JSON Schema of an expression's value on a value of `schema`."""
    if schema is None:
        return None
    match node["type"]:
        case "current" | "identity":
            return schema
        case "field":
            return _property(schema, node["value"])
        case "subexpression":
            inner: Mapping[str, Any] | None = schema
            for child in node["children"]:
                inner = _taken(child, inner)
            return inner
        case "multi_select_dict":
            # The schema of a member that is not known is the one that anything meets.
            properties = {each["value"]: _taken(each["children"][0], schema) or {} for each in node["children"]}
            return {"type": "object", "properties": properties, "$defs": schema.get("$defs", {})}
    return None


def _property(schema: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    definitions: Mapping[str, Any] = schema.get("$defs", {})
    reference = schema.get("$ref")
    if isinstance(reference, str):
        schema = definitions.get(reference.removeprefix("#/$defs/"), {})
    found = schema.get("properties", {}).get(name)
    return {**found, "$defs": definitions} if isinstance(found, Mapping) else None
