"""`carteiro status`."""

from typing import Annotated

import typer

from carteiro.cli.json_lines import AsJson


def status(
    workers: Annotated[
        str, typer.Option(help="Addresses of workers, separated by commas.", envvar="CARTEIRO_WORKERS")
    ] = "http://127.0.0.1:8080",
    once: Annotated[
        bool, typer.Option("--once", help="Print it once. That is the default without a terminal.")
    ] = False,
    every: Annotated[float, typer.Option(help="Seconds between two updates.", min=0.2)] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Show what waits, runs and costs, by task: lag from Kafka, the rest from the workers, since they started.

    carteiro status
    carteiro status --once --workers http://chat:8080,http://answer:8080
    """
    from carteiro.cli.status.table import show_status

    show_status([url.strip() for url in workers.split(",") if url.strip()], once=once, interval=every, as_json=as_json)
