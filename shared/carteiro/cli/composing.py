"""Requests as the command makes them: a text or a request's JSON, and what the command's options say of it."""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from carteiro.schemas import REQUESTS


class OptionInvalid(Exception):
    """No request can have what an option says. The message says which, and why."""


@dataclass(frozen=True, slots=True)
class Laid:
    """What the options say, to be laid over any number of requests of a task."""

    task: str
    fields: dict[str, Any]
    options: dict[str, Any]
    """What goes under the request's own `options`."""
    system: str | None = None

    def over(self, body: str | dict[str, Any]) -> dict[str, Any]:
        """The request's JSON. A body that is text is what the task works on."""
        given = _alone(self.task, body) if isinstance(body, str) else body | {}
        if self.task == "chat" and self.system and isinstance(given.get("messages"), list):
            given["messages"] = [{"role": "system", "content": self.system}, *given["messages"]]
        if self.options:
            own = given.get("options", {})
            given["options"] = own | self.options if isinstance(own, dict) else own
        return given | self.fields


def laid(task: str, fields: dict[str, Any], options: dict[str, Any], system: str | None) -> Laid:
    """What was given of them; None is what was not. Raises `OptionInvalid`."""
    fields = {name: value for name, value in fields.items() if value is not None}
    options = {name: value for name, value in options.items() if value is not None}
    if task != "chat" and system is not None:
        fields["system"] = system
    try:
        REQUESTS[task].model_validate_json(json.dumps(fields | ({"options": options} if options else {})))
    except ValidationError as error:
        for each in error.errors():
            if each["loc"] == ("options", "wait"):
                raise OptionInvalid("--wait: is not a number and s, m, h or d, such as 90s, 30m or 24h") from None
            if each["loc"] and each["loc"][0] in (*fields, "options"):
                raise OptionInvalid(fault(each["loc"], each["msg"])) from None
    return Laid(task, fields, options, system)


def fault(location: tuple[int | str, ...], message: str) -> str:
    """One of the things that are wrong with a request, as a line."""
    return f"{'.'.join(map(str, location))}: {message.removeprefix('Value error, ')}"


def _alone(task: str, text: str) -> dict[str, Any]:
    match task:
        case "chat":
            return {"messages": [{"role": "user", "content": text}]}
        case "generate":
            return {"prompt": text}
        case "answer":
            return {"context": text}
    return {"text": text}
