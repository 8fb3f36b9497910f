"""`carteiro up`: all services in one process, with the embedded broker unless another is named."""

import asyncio
import os
import shutil
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

import typer

from carteiro.cli.better_model import better_model_hint
from carteiro.cli.embedded import EmbeddedBroker
from carteiro.cli.json_lines import AsJson, print_json

_SERVERS = "CARTEIRO_BOOTSTRAP_SERVERS"
_PARTITIONS = 4
"""Partitions of the topics of requests and replies on the embedded broker."""


def up(
    port: Annotated[int, typer.Option(help="Port of the embedded broker.", min=1, max=65535)] = 9092,
    as_json: AsJson = False,
) -> None:
    """Run all services, with an embedded broker unless CARTEIRO_BOOTSTRAP_SERVERS names another.

    The page at the printed address shows the state and sends requests; it is for this machine
    only, unless CARTEIRO_HTTP_HOST says otherwise.

    Collections that CARTEIRO_COLLECTIONS names are filled too.

    Stop with Ctrl-C: requests in flight are finished first. The log goes to standard error, in
    the form that CARTEIRO_LOG_FORMAT says.

    carteiro up
    CARTEIRO_BOOTSTRAP_SERVERS=kafka:9092 CARTEIRO_LOG_FORMAT=json carteiro up
    """
    from carteiro.cli.topic_creation import create_missing_topics
    from carteiro.tasks.discovery import find_tasks
    from carteiro.worker.app import worker

    broker: AbstractContextManager[object] = nullcontext() if os.environ.get(_SERVERS) else EmbeddedBroker(port)
    tasks = find_tasks()
    # The form on the page can cost money. It is enabled because the port is open only to this machine.
    os.environ.setdefault("CARTEIRO_HTTP_HOST", "127.0.0.1")
    if os.environ["CARTEIRO_HTTP_HOST"] == "127.0.0.1":
        os.environ.setdefault("CARTEIRO_HTTP_FORM", "true")
    with broker:
        if isinstance(broker, EmbeddedBroker):
            os.environ[_SERVERS] = broker.address
            # It has no transactions, so the worker does not have to find out.
            os.environ.setdefault("CARTEIRO_DELIVERY", "at_least_once")
            create_missing_topics(partitions=_PARTITIONS, replication=1, batches=False)
        app = worker(*tasks, collections=True)
        hint = None if as_json else better_model_hint(app.settings, "make up")
        _print_addresses(
            app.settings.topic_prefix,
            app.open_port(),
            embedded=isinstance(broker, EmbeddedBroker),
            as_json=as_json,
        )
        if hint:
            print(hint, flush=True)
        asyncio.run(app.run())


def _print_addresses(prefix: str, http_port: int, *, embedded: bool, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "bootstrap_servers": os.environ[_SERVERS],
                "embedded": embedded,
                "http_port": http_port,
                "page": f"http://127.0.0.1:{http_port}/",
                "topic_prefix": prefix,
            }
        )
        return
    kind = "embedded, in memory" if embedded else _SERVERS
    print(f"Kafka    {os.environ[_SERVERS]}  ({kind})")
    print(f"page     http://127.0.0.1:{http_port}/  (state, a form, the API; for programs /state /readyz /metrics)")
    print(f"topics   {prefix}.<task>.requests -> {prefix}.<task>.replies")
    hint = "" if os.environ[_SERVERS] in ("127.0.0.1:9092", "localhost:9092") else f"{_SERVERS}={os.environ[_SERVERS]} "
    command = "carteiro" if shutil.which("carteiro") else os.path.relpath(sys.argv[0])
    print(f'try      {hint}{command} ask chat "What is the capital of France?"', flush=True)
