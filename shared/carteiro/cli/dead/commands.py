"""The commands under `carteiro dead`."""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from carteiro.cli.dead.choice import ChoiceInvalid, Filters, read_filters, read_letters, read_tasks
from carteiro.cli.dead.letter import find, plain, shown
from carteiro.cli.dead.listing import Listing, print_letters
from carteiro.cli.dead.plan import Plan, make_plan
from carteiro.cli.dead.redriving import Redriven, redrive
from carteiro.cli.dead.telling import PlainTelling, Telling
from carteiro.cli.failing import EXIT_USAGE, fail
from carteiro.cli.json_lines import AsJson, print_json
from carteiro.cli.kafka import Kafka, settings, with_kafka

EXIT_NOT_ALL = 1

app = typer.Typer(help="Requests that were given up: look at them, and send them once more.", no_args_is_help=True)

Codes = Annotated[list[str] | None, typer.Option("--code", help="Only of this error code; give it once for each.")]
Reason = Annotated[str | None, typer.Option(help="Only where the reason contains this text.")]
Since = Annotated[str | None, typer.Option(help="Only those since: 30m, 2h or 3d ago, or a time of RFC 3339.")]
CorrelationId = Annotated[str | None, typer.Option(help="Only of this correlation id.")]
Key = Annotated[str | None, typer.Option(help="Only of this key.")]


@app.command("list")
def list_letters(
    task: Annotated[str | None, typer.Argument(help="A task; by default all.")] = None,
    code: Codes = None,
    reason: Reason = None,
    since: Since = None,
    correlation_id: CorrelationId = None,
    key: Key = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that were redriven, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the oldest first.

    carteiro dead list
    carteiro dead list chat --code model_unavailable --since 2h
    """
    filters = _filters(code, reason, since, correlation_id, key)
    try:
        tasks = read_tasks(task)
    except ChoiceInvalid as error:
        fail(str(error), EXIT_USAGE)
    listing = Listing(filters, redriven_too=everything, as_json=as_json)

    async def read(kafka: Kafka) -> None:
        for each in tasks:
            await listing.read(kafka, each)

    with_kafka(settings(), read)
    if not as_json:
        if listing.listed:
            print_letters(listing.rows)
        print(listing.summary())


@app.command()
def show(
    letter: Annotated[list[str], typer.Argument(metavar="[TASK] ID", help="topic/partition/offset; the topic may go.")],
    as_json: AsJson = False,
) -> None:
    """Show all there is to one dead letter.

    carteiro dead show llm.chat.dead/0/17
    carteiro dead show chat 0/17
    """
    given = settings()
    try:
        tasks, ids = read_letters(letter, given.topics)
    except ChoiceInvalid as error:
        fail(str(error), EXIT_USAGE)
    if len(ids) != 1:
        fail("show takes one id: topic/partition/offset, or partition/offset", EXIT_USAGE)

    found = with_kafka(given, lambda kafka: find(kafka, tasks, ids[0]))
    if not found:
        fail(f"there is no dead letter {ids[0]}")
    if len(found) > 1:
        fail(f"{ids[0]} is the place of several: {', '.join(each.id for each, *_ in found)}", EXIT_USAGE)
    dead, task, state = found[0]
    if as_json:
        print_json(plain(dead, task, state))
        return
    for line in shown(dead, state):
        print(line)


@app.command("redrive")
def redrive_letters(
    letters: Annotated[
        list[str] | None, typer.Argument(metavar="[TASK] [ID]...", help="By default all letters of all tasks.")
    ] = None,
    code: Codes = None,
    reason: Reason = None,
    since: Since = None,
    correlation_id: CorrelationId = None,
    key: Key = None,
    max_redrives: Annotated[
        int, typer.Option(min=1, help="Leave letters whose request has been redriven this often.")
    ] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be sent.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send the requests of dead letters once more, each to its task's requests; every one costs a model call again.

    A letter that was redriven is remembered and not sent again. Its reply goes where the first one went.

    carteiro dead redrive chat --code model_unavailable --dry-run
    carteiro dead redrive llm.chat.dead/0/17 llm.chat.dead/0/18
    """
    filters = _filters(code, reason, since, correlation_id, key)
    given = settings()
    try:
        tasks, ids = read_letters(letters or [], given.topics)
    except ChoiceInvalid as error:
        fail(str(error), EXIT_USAGE)

    async def look(kafka: Kafka) -> Plan:
        return await make_plan(kafka, tasks, ids, filters, max_redrives, dry_run=dry_run)

    plan = with_kafka(given, look)
    _check_named(plan)
    told = PlainTelling(plan) if as_json else Telling(plan)
    told.left(max_redrives)
    if dry_run or not len(plan):
        told.planned()
        return
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Redrive {plan.where()}?", abort=True, err=as_json)
    done = Redriven()
    try:
        with _progress() as bar:
            line = bar.add_task("", total=len(plan))
            with_kafka(given, lambda kafka: redrive(kafka, plan.batches, done, lambda: bar.advance(line)))
    finally:
        told.done(done)
    if done.refused:
        raise SystemExit(EXIT_NOT_ALL)


def _filters(
    code: list[str] | None, reason: str | None, since: str | None, correlation_id: str | None, key: str | None
) -> Filters:
    try:
        return read_filters(code, reason, since, correlation_id, key)
    except ChoiceInvalid as error:
        fail(str(error), EXIT_USAGE)


def _check_named(plan: Plan) -> None:
    missing = [str(each) for each, places in plan.found.items() if not places]
    if missing:
        fail(f"there is no dead letter {', '.join(missing)}; nothing was sent")
    for each, places in plan.found.items():
        if len(places) > 1:
            fail(f"{each} is the place of several: {', '.join(places)}; nothing was sent", EXIT_USAGE)


def _progress() -> Progress:
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
