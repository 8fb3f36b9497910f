"""The fields of a task's request, made from its JSON Schema, as a form shows them."""

import json
from typing import Any

from carteiro.schemas.tools import ToolOptions
from carteiro.tasks.task import Task
from carteiro.wire.topics import Topics
from carteiro.worker.page.markup import Html, element

_JSON_ONLY = {"options", *ToolOptions.model_fields}
"""Fields that only the record as JSON shows: a choice of tools is of no use without tools."""


def request_fields(task: Task[Any, Any], prefix: str, *, first: bool) -> Html:
    """Return the fields of one task's request, filled with its first example."""
    schema = task.request.model_json_schema()
    example: dict[str, Any] = next(iter(schema.get("examples", [])), {})
    shown = (*schema.get("required", []), task.request.text_field)
    inputs = [
        _input(task.name, name, described, example.get(name), task.request.text_field)
        for name, described in schema.get("properties", {}).items()
        if name not in _JSON_ONLY
        and (name in shown or "enum" in non_null_schema(described) or described.get("default"))
    ]
    record = f"{task.name}-record"
    value = json.dumps(example, indent=2, ensure_ascii=False)
    raw = element(
        "details",
        element("summary", "The record as it is sent"),
        element("label", "Value of the record on ", element("code", Topics(prefix).requests(task.name)), for_=record),
        element("textarea", value, id=record, rows="6", spellcheck="false", class_="record"),
        open=not any(inputs),
    )
    return element(
        "fieldset",
        element("legend", f"Request to {task.name}"),
        *inputs,
        raw,
        data_task=task.name,
        data_streams=task.streams,
        hidden=not first,
        disabled=not first,
    )


def _input(task: str, name: str, schema: dict[str, Any], value: Any, text_field: str) -> Html:
    """Return a labelled field; empty HTML for a field that needs JSON. `text_field` is the one for the task's text."""
    identity, kind = f"{task}-{name}", non_null_schema(schema)
    label = element("label", name.replace("_", " ").capitalize(), for_=identity)
    if "enum" in kind:
        default = value or schema.get("default")
        absent = [] if default else [element("option", "any", value="")]
        options = [element("option", each, value=each, selected=each == default) for each in kind["enum"]]
        field = element("select", *absent, *options, id=identity, data_field=name)
    elif name == "messages" and value:
        label = element("label", "Message", for_=identity)
        field = element("textarea", value[-1]["content"], id=identity, rows="3", data_field=name, data_kind="message")
    elif name == text_field and kind.get("type") == "array" and value:
        label = element("label", f"{name.capitalize()}, one a line", for_=identity)
        field = element("textarea", "\n".join(value), id=identity, rows="3", data_field=name, data_kind="lines")
    elif kind.get("type") == "array" and non_null_schema(kind.get("items", {})).get("type") == "string":
        label = element("label", f"{name.capitalize()}, separated by commas", for_=identity)
        shown = ", ".join(value or schema.get("default") or [])
        field = element("input", id=identity, value=shown, data_field=name, data_kind="list", autocomplete="off")
    elif kind.get("type") != "string":
        return Html()
    elif "maxLength" in kind or "-" in kind.get("pattern", ""):
        shown = value or ""
        field = element("input", id=identity, value=shown, data_field=name, autocomplete="off")
    else:
        field = element("textarea", value or "", id=identity, rows="3", data_field=name)
    return element("div", label, field, class_="field")


def non_null_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a field that may be null as if it could not be."""
    found: dict[str, Any] = next((each for each in schema.get("anyOf", []) if each.get("type") != "null"), schema)
    return found
