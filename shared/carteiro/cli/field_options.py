"""Options of `carteiro ask` for the fields of requests and of their `options`, made from the schemas of all tasks."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from carteiro.cli.name_value import read_name_value
from carteiro.schemas import REQUESTS, Options
from carteiro.schemas.field_types import plain_type
from carteiro.schemas.request import CommandOption

_WRITING = tuple(task for task, request in REQUESTS.items() if request.writes)


@dataclass(frozen=True, slots=True)
class FieldOption:
    """Option that fills a field of the requests of `tasks`. Its value is of `kind`; a `Path` is a file of JSON.

    With `pairs`, its values are `NAME=VALUE`, and the field's value is an object.
    """

    field: str
    names: tuple[str, ...]
    """Names of the option: `--question`, `-q`."""
    tasks: tuple[str, ...]
    kind: Any
    choices: tuple[str, ...]
    help: str
    pairs: bool = False
    in_options: bool = False
    """True if the field is one of the request's `options`."""

    @property
    def panel(self) -> str | None:
        """Title of its part of the help; None for an option of all tasks."""
        return None if len(self.tasks) == len(REQUESTS) else only_for(self.tasks)

    def complete(self, incomplete: str) -> list[str]:
        """Return the values that begin with `incomplete`."""
        return [choice for choice in self.choices if choice.startswith(incomplete)]

    def read(self, value: Any) -> Any:
        """Return the field's value for the option's. Raise `typer.BadParameter` for a pair without a name."""
        return _read_pairs(self.names[0], value) if self.pairs and value is not None else value

    def parameter(self) -> Parameter:
        """Return the option as a parameter of a command of Typer."""
        complete = self.complete if self.choices else None
        option = typer.Option(None, *self.names, help=self.help, rich_help_panel=self.panel, autocompletion=complete)
        name = f"field_{self.field}"
        return Parameter(name, Parameter.KEYWORD_ONLY, default=option, annotation=self.kind | None)


def only_for(tasks: tuple[str, ...]) -> str:
    """Return the title of the options that only these tasks have."""
    return f"Only for {join_names(tasks)}"


def join_names(names: Sequence[str]) -> str:
    """Return the names as part of a sentence: `chat, generate and translate`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def tasks_with(field: str) -> tuple[str, ...]:
    """Return the tasks whose requests have a field. System instructions may also be the first of `messages`."""
    also = "messages" if field == "system" else field
    return tuple(task for task, request in REQUESTS.items() if {field, also} & request.model_fields.keys())


@functools.cache
def field_options() -> list[FieldOption]:
    """Return an option for each field that a command line can fill, apart from the fields that the text fills."""
    fields: dict[str, FieldInfo] = {}
    for request in REQUESTS.values():
        for name, info in request.model_fields.items():
            if name not in ("options", request.text_field, *Options.model_fields):
                fields.setdefault(name, info)
    found = [_field_option(name, info, tasks_with(name)) for name, info in fields.items()]
    for name, info in Options.model_fields.items():
        option = _field_option(name, info, _WRITING if name == "stop" else tuple(REQUESTS))
        found.append(replace(option, in_options=True) if option else None)
    return [option for option in found if option]


def option_name(field: str) -> str:
    """Return the name of a field's option, such as `--to` for `target`."""
    infos = [request.model_fields[field] for request in REQUESTS.values() if field in request.model_fields]
    return next((_names(field, info)[0] for info in infos), f"--{field.replace('_', '-')}")


def with_field_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of all fields to a command of Typer. The command gets their values as its arguments `fields` and
    `options`.
    """
    given = [each for name, each in signature(command).parameters.items() if name not in ("fields", "options")]
    flags = {flag for each in given for flag in _declared_flags(each)}
    options = {each.parameter().name: each for each in field_options() if not flags & set(each.names)}

    @functools.wraps(command)
    def call(**values: Any) -> None:
        read = [(option, option.read(values.pop(name))) for name, option in options.items()]
        fields, of_call = ({o.field: value for o, value in read if o.in_options is own} for own in (False, True))
        command(**values, fields=fields, options=of_call)

    parameters = [*given, *(option.parameter() for option in options.values())]
    call.__signature__ = Signature([each.replace(kind=Parameter.KEYWORD_ONLY) for each in parameters])  # type: ignore[attr-defined]
    call.__annotations__ = {each.name: each.annotation for each in parameters}
    return call


def _field_option(name: str, info: FieldInfo, tasks: tuple[str, ...]) -> FieldOption | None:
    choices: tuple[str, ...] = ()
    kind = plain_type(info.annotation)
    described = info.description or ""
    origin = get_origin(kind)
    if origin is Literal:
        kind, choices = str, get_args(kind)
        described = f"{described} One of: {', '.join(choices)}."
    elif origin is list and plain_type(get_args(kind)[0]) is str:
        kind = list[str]
        described = f"{described} Give the option once for each."
    elif origin is dict and _own_option(name, info).pairs:
        kind = list[str]
        described = f"{described} Give NAME=VALUE, such as tenant=north, once for each value."
    elif origin in (dict, list):
        kind = Path
        described = f"A file of JSON. {described}"
    elif kind not in (str, int, float, bool):
        return None
    described = described.replace("`", "").strip()
    if kind is bool and (what := described.removeprefix("True if ")) != described:
        described = what[0].upper() + what[1:]
    pairs = _own_option(name, info).pairs
    return FieldOption(name, _names(name, info), tasks, kind, choices, described, pairs)


def _read_pairs(option: str, pairs: Sequence[str]) -> dict[str, Any]:
    """Return the values by their names: numbers, true and false as such, and a list for a name that stands twice."""
    found: dict[str, list[Any]] = {}
    for pair in pairs:
        if (read := read_name_value(pair)) is None:
            raise typer.BadParameter("write NAME=VALUE, such as tenant=north", param_hint=option)
        name, value = read
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _own_option(field: str, info: FieldInfo) -> CommandOption:
    return next((each for each in info.metadata if isinstance(each, CommandOption)), CommandOption(field))


def _names(field: str, info: FieldInfo) -> tuple[str, ...]:
    own = _own_option(field, info)
    return (f"--{own.name.replace('_', '-')}", *([f"-{own.short}"] if own.short else ()))


def _declared_flags(parameter: Parameter) -> set[str]:
    declared = {f"--{parameter.name.replace('_', '-')}"}
    for each in getattr(parameter.annotation, "__metadata__", ()):
        declared |= {each.default, *(each.param_decls or ())} - {...}
    return declared
