"""The commands, and what is the same for all of them."""

import json
import logging
from importlib.metadata import version
from typing import Annotated

import structlog
import typer

from carteiro.cli.ask import ask
from carteiro.cli.batches import batches
from carteiro.cli.dead.commands import app as dead
from carteiro.cli.demo import demo
from carteiro.cli.doctor.command import doctor
from carteiro.cli.embedded import EmbeddedBrokerFailed
from carteiro.cli.failing import fail
from carteiro.cli.new.commands import app as new
from carteiro.cli.status.command import status
from carteiro.cli.topics import app as topics
from carteiro.cli.up import up
from carteiro.client import CarteiroError
from carteiro.models.failures import ModelUnusable
from carteiro.worker.kafka.reaching import KafkaUnusable
from carteiro.worker.services import ServicesMissing, find_tasks

app = typer.Typer(
    name="carteiro",
    help="Language work over Kafka.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        print(version("carteiro"))
        raise typer.Exit


@app.callback()
def _all(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it and end.")
    ] = False,
) -> None:
    """Language work over Kafka."""


app.command()(demo)
app.command()(up)
app.command()(ask)
app.command()(batches)
app.command()(doctor)
app.command()(status)
app.add_typer(dead, name="dead")
app.add_typer(topics, name="topics")
app.add_typer(new, name="new")


@app.command()
def asyncapi() -> None:
    """Print the AsyncAPI 3 document of all services, which is JSON.

    carteiro asyncapi > asyncapi.json
    """
    from carteiro.wire.topics import Topics
    from carteiro.worker.asyncapi import asyncapi as document

    print(json.dumps(document([task.request for task in find_tasks()], Topics()), indent=2, ensure_ascii=False))


def run() -> None:
    """Run the command that was typed; what goes wrong ends in one line."""
    # What Kafka's client and the workers' parts have to say at each try, the command says once, in its own words;
    # those that run workers set up their log.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        app()
    except (ServicesMissing, EmbeddedBrokerFailed, CarteiroError, KafkaUnusable, ModelUnusable) as error:
        fail(str(error))
