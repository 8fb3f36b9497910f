"""The routes of the pages."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from faststream.asgi import AsgiResponse, get
from faststream.asgi.types import ASGIApp, Scope

from carteiro.settings.worker import WorkerSettings
from carteiro.tasks.task import Task
from carteiro.worker.asyncapi import asyncapi
from carteiro.worker.page.asyncapi_page import asyncapi_page
from carteiro.worker.page.form import RequestForm
from carteiro.worker.page.markup import HEADERS
from carteiro.worker.page.state import WorkerStateReader
from carteiro.worker.page.state_page import state_page


def page_routes(
    tasks: Sequence[Task[Any, Any]],
    settings: WorkerSettings,
    options: dict[str, Any],
    state: WorkerStateReader,
    is_stopping: Callable[[], bool],
) -> list[tuple[str, ASGIApp]]:
    """Return the routes with their applications.

    `options` are those of aiokafka's clients. Once `is_stopping()` returns True, the form stops waiting for replies.
    """

    @get(include_in_schema=False)
    async def index(scope: Scope) -> AsgiResponse:  # noqa: ARG001
        return _html(state_page(await state.read(), tasks))

    @get(include_in_schema=False)
    async def state_json(scope: Scope) -> AsgiResponse:  # noqa: ARG001
        return _json((await state.read()).to_json())

    @get(include_in_schema=False)
    async def document(scope: Scope) -> AsgiResponse:  # noqa: ARG001
        return _json(asyncapi([task.request for task in tasks], settings.topics))

    @get(include_in_schema=False)
    async def readable_document(scope: Scope) -> AsgiResponse:  # noqa: ARG001
        return _html(asyncapi_page(asyncapi([task.request for task in tasks], settings.topics)))

    return [
        ("/", index),
        ("/state", state_json),
        ("/request", RequestForm(tasks, settings, options, is_stopping)),
        ("/asyncapi", document),
        ("/asyncapi.html", readable_document),
    ]


def _html(page: bytes) -> AsgiResponse:
    return AsgiResponse(page, headers=HEADERS | {"content-type": "text/html; charset=utf-8"})


def _json(value: Any) -> AsgiResponse:
    body = json.dumps(value, ensure_ascii=False).encode()
    return AsgiResponse(body, headers=HEADERS | {"content-type": "application/json"})
