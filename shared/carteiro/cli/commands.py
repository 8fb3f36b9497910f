"""The commands by name. Each module is imported only when its command runs, so that the list of commands is fast."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """Location of a command, and the first sentence of its help."""

    target: str
    """`module:name` under `carteiro.cli`: a function, or a Typer with its own commands."""
    summary: str

    def load(self, name: str) -> Any:
        """Import the command and return it."""
        module, _, attribute = self.target.partition(":")
        target = getattr(import_module(f"carteiro.cli.{module}"), attribute)
        if isinstance(target, typer.Typer):
            command: Any = typer.main.get_group(target)
        else:
            holder = typer.Typer(add_completion=False)
            holder.command(name, cls=getattr(target, "command_class", None))(target)
            command = typer.main.get_command(holder)
        command.name = name
        return command


COMMANDS = {
    "demo": CommandEntry(
        "demo:demo",
        "Start an embedded broker and all services, send them the requests in examples/, and show the replies.",
    ),
    "up": CommandEntry(
        "up:up", "Run all services, with an embedded broker unless CARTEIRO_BOOTSTRAP_SERVERS names another."
    ),
    "ask": CommandEntry("ask:ask", "Send one request to a service and print its reply, or those of a file."),
    "enrich": CommandEntry("enrich.command:enrich", "Enrich the events of a topic, or try it on some of them."),
    "index": CommandEntry(
        "index.commands:app", "Collections of documents: add files, remove some, show the state, delete one."
    ),
    "batches": CommandEntry(
        "batches:batches", "List the batches that are open, and count the requests and documents that wait for them."
    ),
    "doctor": CommandEntry(
        "doctor.command:doctor",
        "Say what is wrong with the settings, Kafka, models, collections or tools, and what to do.",
    ),
    "status": CommandEntry(
        "status.command:status",
        "Show what waits, runs and costs, by task: lag from Kafka, the rest from the workers, since they started.",
    ),
    "asyncapi": CommandEntry("asyncapi:asyncapi", "Print the AsyncAPI 3 document of all services, which is JSON."),
    "dead": CommandEntry("dead.commands:app", "Dead letters: list them, and send their requests again."),
    "topics": CommandEntry("topics:app", "The topics that the services need."),
    "worker": CommandEntry("worker:worker", "Run the worker of some tasks, or of all."),
    "healthcheck": CommandEntry(
        "healthcheck:healthcheck", "Exit with 0 if the worker on this machine is ready, and with 1 if it is not."
    ),
    "lag-exporter": CommandEntry(
        "lag_exporter:lag_exporter", "Export `carteiro_lag{task, partition}`, the requests that wait, at /metrics."
    ),
}


class LazyGroup(TyperGroup):
    """Group of `COMMANDS` that lists them without importing them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name, help=entry.summary) for name, entry in COMMANDS.items()}
        self._listing = False

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Return the names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Return the command; only its name and summary while the commands are listed."""
        if self._listing or cmd_name not in COMMANDS:
            return self.commands.get(cmd_name)
        return COMMANDS[cmd_name].load(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, which lists the commands."""
        self._listing = True
        super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Return the commands that begin with `incomplete`."""
        self._listing = True
        return super().shell_complete(ctx, incomplete)
