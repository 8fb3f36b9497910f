"""Requests from the command line: a text or a request's JSON, with the command's options."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from carteiro.cli.field_options import join_names, option_name, tasks_with
from carteiro.schemas import REQUESTS, Attachment, FieldError, Options
from carteiro.schemas.field_errors import field_errors

_ADDRESS = re.compile(r"(?:s3|gs|az|https)://|file:///")


class OptionInvalid(Exception):
    """An option has a value that no request can have. The message names the option, and the reason."""


@dataclass(frozen=True, slots=True)
class RequestDefaults:
    """Fields and options of the command line that apply to all requests of a task."""

    task: str
    fields: dict[str, Any]
    options: dict[str, Any]
    """Values for the request's own `options`."""
    system: str | None = None
    """Instructions for a request that has them as the first of its `messages`."""
    attachments: Sequence[dict[str, Any]] = ()
    """Files for a request that has them in the last of its `messages`."""

    @property
    def complete(self) -> bool:
        """True if the fields are a whole request, so that no text is needed: a question on a collection."""
        try:
            REQUESTS[self.task].model_validate_json(json.dumps(self.fields))
        except ValidationError:
            return False
        return True

    def apply_to(self, body: str | dict[str, Any]) -> dict[str, Any]:
        """Return the request's JSON. A body that is text goes into the task's main field."""
        given = REQUESTS[self.task].from_text(body, self.fields) if isinstance(body, str) else body | {}
        if self.attachments and isinstance(given.get("messages"), list):
            given["messages"] = [*given["messages"][:-1], *_attached(given["messages"][-1:], self.attachments)]
        if self.system and isinstance(given.get("messages"), list):
            given["messages"] = [{"role": "system", "content": self.system}, *given["messages"]]
        if self.options:
            own = given.get("options", {})
            given["options"] = own | self.options if isinstance(own, dict) else own
        return given | self.fields


def read_defaults(task: str, fields: dict[str, Any], options: dict[str, Any]) -> RequestDefaults:
    """Return the values that were given, without those that are None. Raise `OptionInvalid` if one is invalid."""
    fields = {name: value for name, value in fields.items() if value is not None}
    options = {name: value for name, value in options.items() if value is not None}
    known = REQUESTS[task].model_fields
    system = fields.pop("system", None) if "messages" in known and "system" not in known else None
    attachments = fields.pop("attachments", ()) if "messages" in known else ()
    try:
        REQUESTS[task].model_validate_json(json.dumps(fields | ({"options": options} if options else {})))
    except ValidationError as error:
        for each in field_errors(error):
            name = each.field.partition(".")[0]
            if name in (*fields, "options"):
                raise OptionInvalid(error_line(task, each)) from None
    return RequestDefaults(task, fields, options, system, tuple(attachments))


def read_attachments(given: Sequence[str]) -> list[dict[str, Any]]:
    """Return attachments from files of this machine and addresses. Raise `OptionInvalid`."""
    return [{"uri": each} if _ADDRESS.match(each) else _read_file(each) for each in given]


def _read_file(path: str) -> dict[str, Any]:
    try:
        return Attachment.from_file(path).model_dump(exclude_unset=True)
    except OSError as error:
        raise OptionInvalid(f"--attach: {path}: {error.strerror}") from None
    except ValidationError as error:
        raise OptionInvalid(f"--attach: {path}: {field_errors(error)[0].reason}") from None


def _attached(messages: Sequence[Any], attachments: Sequence[dict[str, Any]]) -> list[Any]:
    """Return messages with attachments before their content."""
    attached: list[Any] = []
    for each in messages:
        content = each.get("content") if isinstance(each, dict) else None
        parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
        attached.append(each if content is None else {**each, "content": [*attachments, *parts]})
    return attached


def error_line(task: str, error: FieldError) -> str:
    """Return an error of a request as a line about the command line: the text, or an option."""
    field = error.field.removeprefix("options.").partition(".")[0]
    if field == REQUESTS[task].text_field:
        return f"the text: {error.reason}"
    if field == "request":
        return f"the request {error.reason}"
    option = option_name(field)
    if field not in REQUESTS[task].model_fields and field not in Options.model_fields:
        return f"{option}: is not an option of {task}, but of {join_names(tasks_with(field))}"
    return f"{option}: {error.reason}"
