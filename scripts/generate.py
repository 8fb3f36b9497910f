"""Write the files that follow from the tasks: `make generate`, after a task was added.

The tasks are those of `carteiro.tasks.discovery`, and their requests those of `carteiro.schemas`. In docker-compose.yml
and observability/prometheus.yaml only the lines between `begin` and `end` are written. `k8s/generate.py` and
`k8s/chart_files.py` write the manifests.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from carteiro.models.compatible import COMPATIBLE_PROVIDERS
from carteiro.models.settings import ModelSettings
from carteiro.schemas import REQUESTS, Options, Request
from carteiro.schemas.field_types import plain_type
from carteiro.schemas.text_reference import may_be_reference
from carteiro.settings.environment import env_variable
from carteiro.settings.kafka import KafkaSettings
from carteiro.settings.worker import WorkerSettings
from carteiro.tasks.discovery import find_tasks, task_names
from carteiro.wire.topics import Topics
from carteiro.worker.asyncapi import asyncapi

ROOT = Path(__file__).parents[1]
CLIENT = ROOT / "shared" / "carteiro" / "client"
COMPOSE = ROOT / "docker-compose.yml"
PROMETHEUS = ROOT / "observability" / "prometheus.yaml"
CLOUD = ROOT / "k8s" / "overlays" / "cloud" / "kustomization.yaml"
ASYNCAPI = ROOT / "docs" / "asyncapi.json"
_WRITTEN = "Written by scripts/generate.py."
_SETTINGS_OF_COMPOSE = {"CARTEIRO_MODEL", "CARTEIRO_HTTP_PORT"}
"""Settings with another default in Compose, or that only mean a port of this machine there."""
_FORMS = {
    "CoroutineCalls": (
        "AsyncCaller",
        "Calls as coroutines that return the reply.",
        "coroutine_method(task_requests.{name})",
    ),
    "StreamingCalls": (
        "AsyncCaller",
        "Calls for `async for`. They yield the chunks of the reply, and the whole reply last.",
        "streaming_method(task_requests.{name})",
    ),
    "BlockingCalls": (
        "BlockingCaller",
        "Calls that block until they return the reply.",
        "blocking_method(CoroutineCalls.{name})",
    ),
    "IteratorCalls": (
        "BlockingCaller",
        "Calls for `for`. They yield the chunks of the reply, and the whole reply last.",
        "iterator_method(StreamingCalls.{name})",
    ),
}


def generated() -> dict[Path, str]:
    """Return the content of each generated file."""
    document = asyncapi([task.request for task in find_tasks()], Topics())
    return {
        CLIENT / "task_requests.py": formatted(task_requests()),
        CLIENT / "calls.py": formatted(calls()),
        COMPOSE: compose(COMPOSE.read_text()),
        PROMETHEUS: prometheus(PROMETHEUS.read_text()),
        CLOUD: cloud_overlay(CLOUD.read_text()),
        ASYNCAPI: json.dumps(document, indent=2, ensure_ascii=False) + "\n",
    }


def task_requests() -> str:
    """Return the module of the functions that build the requests: one for each task, with its fields as arguments."""
    functions = [task_request(request) for request in REQUESTS.values()]
    classes = {each for request in REQUESTS.values() for each in classes_of(request)}
    return "\n".join(
        [
            f'"""Builders of the requests of calls, one for each task. {_WRITTEN}"""',
            "from collections.abc import Sequence",
            "from typing import Any, Literal, Unpack",
            "from carteiro.client.request_builder import CallOptions, PreparedRequest, build_request",
            "from carteiro.schemas.text_reference import TextReference",
            *sorted(f"from {each.__module__} import {each.__name__}" for each in classes),
            *functions,
        ]
    )


def task_request(request: type[Request[Any]]) -> str:
    """Return the function that builds the requests of one task.

    Its positional arguments are the required fields, and the field for the text if that is optional.
    """
    known = {"options"} | Options.model_fields.keys()  # an option is a keyword of every call
    fields = {name: info for name, info in request.model_fields.items() if name not in known}
    required = [f"{name}: {argument_type(request, name)}" for name, info in fields.items() if info.is_required()]
    optional = {
        name: f"{name}: {argument_type(request, name)} | None = None"
        for name, info in fields.items()
        if not info.is_required()
    }
    text = [optional.pop(request.text_field)] if request.text_field in optional else []
    arguments = [*required, *text, *(["*", *optional.values()] if optional else []), "**call: Unpack[CallOptions]"]
    given = ", ".join(f'"{name}": {name}' for name in fields)
    summary = (request.__doc__ or "").strip().partition("\n")[0]
    return (
        f"def {request.task}({', '.join(arguments)}) -> PreparedRequest[{request.result.__name__}]:\n"
        f'    """{summary}"""\n'
        f"    return build_request({request.__name__}, call, {{{given}}})\n"
    )


def argument_type(request: type[Request[Any]], field: str) -> str:
    """Return the type of an argument: that of the field. A list may also be its only item, or any sequence, and a long
    text its reference.
    """
    info = request.model_fields[field]
    kind = plain_type(info.annotation)
    members = [each for each in get_args(info.annotation) if each is not NoneType]
    if get_origin(info.annotation) in (Union, UnionType) and len(members) > 1:
        return " | ".join(map(type_name, members))
    if get_origin(kind) is not list:
        reference = " | TextReference | dict[str, Any]" if may_be_reference(info) else ""
        return type_name(kind) + reference
    items = " | ".join(map(type_name, item_types(kind)))
    texts = ["str"] if field == request.text_field and "str" not in items.split(" | ") else []
    return " | ".join([*texts, items, f"Sequence[{items}]"])


def item_types(kind: Any) -> list[Any]:
    """Return the types that an item of a list may have; none for another type."""
    if get_origin(kind) is not list:
        return []
    item = get_args(kind)[0]
    item = get_args(item)[0] if get_origin(item) is Annotated else item
    return (
        [plain_type(each) for each in get_args(item)] if get_origin(item) in (Union, UnionType) else [plain_type(item)]
    )


def type_name(annotation: Any) -> str:
    """Return a type as it stands in a program. A model of pydantic may also be a dictionary."""
    kind = plain_type(annotation)
    if get_origin(kind) is Literal:
        return f"Literal[{', '.join(map(json.dumps, get_args(kind)))}]"
    if get_origin(kind) is dict:  # its values have several types
        return "dict[str, Any]"
    if arguments := get_args(kind):
        return f"{get_origin(kind).__name__}[{', '.join(map(type_name, arguments))}]"
    return f"{kind.__name__} | dict[str, Any]" if is_model(kind) else getattr(kind, "__name__", str(kind))


def classes_of(request: type[Request[Any]]) -> set[type[BaseModel]]:
    """Return the classes that a task's function needs."""
    kinds = [plain_type(info.annotation) for name, info in request.model_fields.items() if name != "options"]
    kinds += [each for info in request.model_fields.values() for each in get_args(info.annotation)]
    models = [each for kind in kinds for each in (kind, *item_types(kind)) if is_model(each)]
    return {request, request.result, *models}


def is_model(kind: Any) -> bool:
    """True for a class of pydantic."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def calls() -> str:
    """Return the module of the clients' methods, in the four forms of `call_forms`."""
    lines = [
        f'"""Calls of the clients, one for each task, and `ask` for any request. {_WRITTEN}"""',
        "from carteiro.client import request_builder, task_requests",
        "from carteiro.client.call_forms import (AsyncCaller, BlockingCaller, blocking_method, coroutine_method,",
        "    iterator_method, streaming_method)",
    ]
    for form, (base, summary, method) in _FORMS.items():
        lines += [f"class {form}({base}):", f'    """{summary}"""', ""]
        for name in ("ask", *REQUESTS):
            target = method.format(name=name)
            lines.append(f"    {name} = {target.replace('task_requests.ask', 'request_builder.ask')}")
    return "\n".join(lines)


def formatted(source: str) -> str:
    """Return a module as `ruff format` writes it."""
    ruff = Path(sys.executable).with_name("ruff")
    for command in (["check", "--fix-only", "--select", "I,F401"], ["format"]):
        run = subprocess.run(  # noqa: S603
            [
                ruff,
                *command,
                "--quiet",
                "--config",
                ROOT / "pyproject.toml",
                "--stdin-filename",
                CLIENT / "calls.py",
                "-",
            ],
            input=source,
            capture_output=True,
            text=True,
            check=True,
        )
        source = run.stdout
    return source


def compose(text: str) -> str:
    """Return docker-compose.yml with the settings and the services of the tasks."""
    kafka = {env_variable(KafkaSettings, field) for field in KafkaSettings.model_fields}
    names = [env_variable(kind, field) for kind in (WorkerSettings, ModelSettings) for field in kind.model_fields]
    names = [name for name in names if name not in kafka | _SETTINGS_OF_COMPOSE]
    models = [f"CARTEIRO_{task.upper()}_MODEL" for task in task_names()]
    services = [
        f"  {task}:\n"
        "    <<: *service\n"
        f'    ports: ["127.0.0.1:${{TASK_PORTS:-81}}{number:02}:8080"]\n'
        f'    environment: {{<<: *settings, TASK: {task}, OMP_NUM_THREADS: "${{OMP_NUM_THREADS:-2}}"}}'
        for number, task in enumerate(task_names(), 1)
    ]
    text = with_lines(text, "settings", [f"  {name}:" for name in [*models, *names]])
    return with_lines(text, "services of the tasks", services)


def cloud_overlay(text: str) -> str:
    """Return the overlay of cloud models with a file for the key of each provider that needs one."""
    rows = [row.key for row in COMPATIBLE_PROVIDERS if row.needs_key]
    keys = ["ANTHROPIC_API_KEY", "AWS_BEARER_TOKEN_BEDROCK", *rows]
    names = [(key, key.lower().replace("_", "-")) for key in keys]
    return with_lines(text, "keys", [f"      - {key}_FILE=/run/secrets/carteiro/{name}" for key, name in names])


def prometheus(text: str) -> str:
    """Return Prometheus' settings with the names of all workers in Compose."""
    names = ", ".join(["worker", *task_names(), "batch", "enrich", "index"])
    return with_lines(text, "workers", [f"      - names: [{names}]"])


def with_lines(text: str, name: str, lines: list[str]) -> str:
    """Return a file of YAML with these lines between its comments `begin NAME` and `end NAME`."""
    begin, end = f"# begin {name}: scripts/generate.py\n", f"# end {name}\n"
    pattern = re.compile(rf"( *{re.escape(begin)}).*?( *{re.escape(end)})", re.DOTALL)
    new, count = pattern.subn(lambda found: found[1] + "".join(f"{line}\n" for line in lines) + found[2], text)
    if count != 1:
        raise ValueError(f"the comments `begin {name}` and `end {name}` are not there once")
    return new


def main() -> None:
    """Write the files."""
    for file, text in generated().items():
        file.write_text(text)


if __name__ == "__main__":
    main()
