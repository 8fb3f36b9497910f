"""The `carteiro` command, and the parts that all of its commands share."""

import logging
from typing import Annotated

import typer

from carteiro.cli.commands import LazyGroup
from carteiro.cli.exit_codes import exit_with

app = typer.Typer(
    name="carteiro",
    cls=LazyGroup,
    help="LLM work over Kafka.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        print(version("carteiro"))
        raise typer.Exit


@app.callback()
def _main_callback(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it and end.")
    ] = False,
) -> None:
    """LLM work over Kafka."""


def run() -> None:
    """Run the command of the command line. An error ends it with one line."""
    # Kafka's client logs each failed attempt; the command reports an error once, in its own words.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        app()
    except Exception as error:
        if _is_user_error(error):
            exit_with(str(error))
        raise


def _is_user_error(error: Exception) -> bool:
    """True for the errors whose message is written for the user. Imported here because most commands never
    need them.
    """
    from carteiro.cli.embedded import EmbeddedBrokerFailed
    from carteiro.client import CarteiroError
    from carteiro.kafka.connection import KafkaUnusable
    from carteiro.models.errors import ModelUnusable
    from carteiro.tasks.discovery import ServicesMissing

    return isinstance(error, ServicesMissing | EmbeddedBrokerFailed | CarteiroError | KafkaUnusable | ModelUnusable)
