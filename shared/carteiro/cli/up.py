"""`carteiro up`: all services in one process, with the embedded broker where no other is named."""

import asyncio
import os
import shutil
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

import typer

from carteiro.cli.embedded import EmbeddedBroker
from carteiro.cli.json_lines import AsJson, print_json
from carteiro.worker.services import find_tasks

_SERVERS = "CARTEIRO_BOOTSTRAP_SERVERS"


def up(
    port: Annotated[int, typer.Option(help="Port of the embedded broker.", min=1, max=65535)] = 9092,
    as_json: AsJson = False,
) -> None:
    """Run all services, with an embedded broker unless CARTEIRO_BOOTSTRAP_SERVERS names another.

    Stop with Ctrl-C: requests in flight are finished first. The log goes to standard error, in
    the form that CARTEIRO_LOG_FORMAT says.

    carteiro up
    CARTEIRO_BOOTSTRAP_SERVERS=kafka:9092 CARTEIRO_LOG_FORMAT=json carteiro up
    """
    from carteiro.worker.app import worker

    broker: AbstractContextManager[object] = nullcontext() if os.environ.get(_SERVERS) else EmbeddedBroker(port)
    tasks = find_tasks()
    with broker:
        if isinstance(broker, EmbeddedBroker):
            os.environ[_SERVERS] = broker.address
        app = worker(*tasks)
        _say(
            app.settings.topic_prefix,
            app.settings.http_port,
            embedded=isinstance(broker, EmbeddedBroker),
            as_json=as_json,
        )
        asyncio.run(app.run())


def _say(prefix: str, http_port: int, *, embedded: bool, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "bootstrap_servers": os.environ[_SERVERS],
                "embedded": embedded,
                "http_port": http_port,
                "topic_prefix": prefix,
            }
        )
        return
    kind = "embedded, in memory" if embedded else _SERVERS
    print(f"Kafka    {os.environ[_SERVERS]}  ({kind})")
    print(f"HTTP     http://127.0.0.1:{http_port}  (/livez /readyz /metrics /asyncapi)")
    print(f"topics   {prefix}.<task>.requests -> {prefix}.<task>.replies")
    hint = "" if os.environ[_SERVERS] in ("127.0.0.1:9092", "localhost:9092") else f"{_SERVERS}={os.environ[_SERVERS]} "
    command = "carteiro" if shutil.which("carteiro") else os.path.relpath(sys.argv[0])
    print(f'try      {hint}{command} ask chat "What is the capital of Portugal?"', flush=True)
