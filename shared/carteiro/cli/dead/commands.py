"""The commands under `carteiro dead`."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from carteiro.cli.completion import task_names
from carteiro.cli.exit_codes import EXIT_USAGE, exit_with
from carteiro.cli.json_lines import AsJson, print_json

if TYPE_CHECKING:
    from rich.progress import Progress

    from carteiro.cli.dead.filters import DeadLetterFilters
    from carteiro.cli.dead.plan import RedrivePlan
    from carteiro.cli.kafka import KafkaSession

EXIT_INCOMPLETE = 1

app = typer.Typer(help="Dead letters: list them, and send their requests again.", no_args_is_help=True)

Codes = Annotated[list[str] | None, typer.Option("--code", help="Only of this error code; give it once for each.")]
Reason = Annotated[str | None, typer.Option(help="Only if the reason contains this text.")]
Since = Annotated[str | None, typer.Option(help="Only newer ones: since 30m, 2h or 3d ago, or a time of RFC 3339.")]
CorrelationId = Annotated[str | None, typer.Option(help="Only of this correlation id.")]
Key = Annotated[str | None, typer.Option(help="Only of this key.")]


@app.command("list")
def list_dead_letters(
    task: Annotated[
        str | None,
        typer.Argument(help="A task, enrich-NAME, index-NAME; by default all tasks.", autocompletion=task_names),
    ] = None,
    code: Codes = None,
    reason: Reason = None,
    since: Since = None,
    correlation_id: CorrelationId = None,
    key: Key = None,
    everything: Annotated[bool, typer.Option("--all", help="Include dead letters that were redriven.")] = False,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the oldest first.

    carteiro dead list
    carteiro dead list chat --code model_unavailable --since 2h
    """
    from carteiro.cli.dead.filters import FilterInvalid, read_tasks
    from carteiro.cli.dead.table import DeadLetterTable, print_dead_letters
    from carteiro.cli.kafka import read_kafka_settings, with_kafka

    filters = _filters(code, reason, since, correlation_id, key)
    try:
        tasks = read_tasks(task)
    except FilterInvalid as error:
        exit_with(str(error), EXIT_USAGE)
    listing = DeadLetterTable(filters, include_redriven=everything, as_json=as_json)

    async def read(kafka: "KafkaSession") -> None:
        for each in tasks:
            await listing.add_task(kafka, each)

    with_kafka(read_kafka_settings(), read)
    if not as_json:
        if listing.listed_count:
            print_dead_letters(listing.rows)
        print(listing.summary())


@app.command()
def show(
    identifier: Annotated[
        list[str],
        typer.Argument(
            metavar="[TASK] ID", help="topic/partition/offset; the topic is optional.", autocompletion=task_names
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Show all data of one dead letter.

    carteiro dead show llm.chat.dead/0/17
    carteiro dead show chat 0/17
    """
    from carteiro.cli.dead.filters import FilterInvalid, read_dead_letter_ids
    from carteiro.cli.dead.show import detail_lines, find_dead_letters, json_detail
    from carteiro.cli.kafka import read_kafka_settings, with_kafka

    given = read_kafka_settings()
    try:
        tasks, ids = read_dead_letter_ids(identifier, given.topics)
    except FilterInvalid as error:
        exit_with(str(error), EXIT_USAGE)
    if len(ids) != 1:
        exit_with("show takes one id: topic/partition/offset, or partition/offset", EXIT_USAGE)

    found = with_kafka(given, lambda kafka: find_dead_letters(kafka, tasks, ids[0]))
    if not found:
        exit_with(f"there is no dead letter {ids[0]}; `carteiro dead list --all` lists them")
    if len(found) > 1:
        exit_with(f"{ids[0]} matches more than one: {', '.join(each.id for each, *_ in found)}", EXIT_USAGE)
    dead, task, state = found[0]
    if as_json:
        print_json(json_detail(dead, task, state))
        return
    for line in detail_lines(dead, state):
        print(line)


@app.command("redrive")
def redrive_dead_letters(
    identifiers: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TASK] [ID]...", help="By default all dead letters of all tasks.", autocompletion=task_names
        ),
    ] = None,
    code: Codes = None,
    reason: Reason = None,
    since: Since = None,
    correlation_id: CorrelationId = None,
    key: Key = None,
    max_redrives: Annotated[int, typer.Option(min=1, help="Skip requests that were redriven this often.")] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be sent.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send the requests of dead letters again, each to the requests topic of its task; each costs another model call.

    A dead letter that was redriven is recorded and not sent again. Its reply goes to the address of the first reply.

    carteiro dead redrive chat --code model_unavailable --dry-run
    carteiro dead redrive llm.chat.dead/0/17 llm.chat.dead/0/18
    """
    from carteiro.cli.dead.filters import FilterInvalid, check_redrivable, read_dead_letter_ids
    from carteiro.cli.dead.plan import make_plan
    from carteiro.cli.dead.redrive import RedriveResult, redrive
    from carteiro.cli.dead.report import JsonRedriveReport, RedriveReport
    from carteiro.cli.kafka import read_kafka_settings, with_kafka

    filters = _filters(code, reason, since, correlation_id, key)
    given = read_kafka_settings()
    try:
        tasks, ids = read_dead_letter_ids(identifiers or [], given.topics)
        check_redrivable(tasks)
    except FilterInvalid as error:
        exit_with(str(error), EXIT_USAGE)

    async def look(kafka: "KafkaSession") -> "RedrivePlan":
        return await make_plan(kafka, tasks, ids, filters, max_redrives, dry_run=dry_run)

    plan = with_kafka(given, look)
    _check_ids(plan)
    report = JsonRedriveReport(plan) if as_json else RedriveReport(plan)
    report.print_skipped(max_redrives)
    if dry_run or not len(plan):
        report.print_plan()
        return
    if not yes and not sys.stdin.isatty():
        exit_with(
            f"would redrive {plan.destinations()}: say --yes, because standard input is no terminal; nothing was sent",
            EXIT_USAGE,
        )
    if not yes:
        typer.confirm(f"Redrive {plan.destinations()}?", abort=True, err=as_json)
    done = RedriveResult()
    try:
        with _progress_bar() as bar:
            line = bar.add_task("", total=len(plan))
            with_kafka(given, lambda kafka: redrive(kafka, plan.task_redrives, done, lambda: bar.advance(line)))
    finally:
        report.print_result(done)
    if done.refused:
        raise SystemExit(EXIT_INCOMPLETE)


def _filters(
    code: list[str] | None, reason: str | None, since: str | None, correlation_id: str | None, key: str | None
) -> "DeadLetterFilters":
    from carteiro.cli.dead.filters import FilterInvalid, read_filters

    try:
        return read_filters(code, reason, since, correlation_id, key)
    except FilterInvalid as error:
        exit_with(str(error), EXIT_USAGE)


def _check_ids(plan: "RedrivePlan") -> None:
    missing = [str(each) for each, matches in plan.found_by_id.items() if not matches]
    if missing:
        exit_with(f"there is no dead letter {', '.join(missing)}; nothing was sent")
    for each, matches in plan.found_by_id.items():
        if len(matches) > 1:
            exit_with(f"{each} matches more than one: {', '.join(matches)}; nothing was sent", EXIT_USAGE)


def _progress_bar() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
