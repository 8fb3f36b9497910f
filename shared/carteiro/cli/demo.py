"""`carteiro demo`."""

from pathlib import Path
from typing import Annotated

import typer

from carteiro.cli.json_lines import AsJson


def demo(
    examples: Annotated[
        Path | None, typer.Option(help="Folder of requests, `<task>*.json`; by default examples/, with each task.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start an embedded broker and all services, send them the requests in examples/, and show the replies.

    carteiro demo
    carteiro demo --json | jq .reply.result
    """
    from carteiro.cli.demo_run import run

    run(examples, as_json=as_json)
