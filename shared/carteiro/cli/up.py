"""`carteiro up`: all services in one process, with the embedded broker where no other is named."""

import asyncio
import os
import shutil
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

import typer

from carteiro.cli.embedded import EmbeddedBroker
from carteiro.worker.services import find_tasks

_SERVERS = "CARTEIRO_BOOTSTRAP_SERVERS"


def up(port: Annotated[int, typer.Option(help="Port of the embedded broker.", min=1, max=65535)] = 9092) -> None:
    """Run all services, with an embedded broker unless CARTEIRO_BOOTSTRAP_SERVERS names another.

    Stop with Ctrl-C: requests in flight are finished first.
    """
    from carteiro.worker.app import worker

    broker: AbstractContextManager[object] = nullcontext() if os.environ.get(_SERVERS) else EmbeddedBroker(port)
    tasks = find_tasks()
    with broker:
        if isinstance(broker, EmbeddedBroker):
            os.environ[_SERVERS] = broker.address
        app = worker(*tasks)
        _say(app.settings.topic_prefix, app.settings.http_port, embedded=isinstance(broker, EmbeddedBroker))
        asyncio.run(app.run())


def _say(prefix: str, http_port: int, *, embedded: bool) -> None:
    kind = "embedded, in memory" if embedded else _SERVERS
    print(f"Kafka    {os.environ[_SERVERS]}  ({kind})")
    print(f"HTTP     http://127.0.0.1:{http_port}  (/livez /readyz /metrics /asyncapi)")
    print(f"topics   {prefix}.<task>.requests -> {prefix}.<task>.replies")
    hint = "" if os.environ[_SERVERS] in ("127.0.0.1:9092", "localhost:9092") else f"{_SERVERS}={os.environ[_SERVERS]} "
    command = "carteiro" if shutil.which("carteiro") else os.path.relpath(sys.argv[0])
    print(f'try      {hint}{command} ask chat "What is the capital of Portugal?"', flush=True)
