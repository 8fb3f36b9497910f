"""`carteiro enrich`."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carteiro.cli.exit_codes import EXIT_USAGE, exit_with
from carteiro.cli.json_lines import AsJson

if TYPE_CHECKING:
    from carteiro.cli.kafka import KafkaSession
    from carteiro.enrichment.enrichment_file import EnrichmentFile
    from carteiro.models.settings import ModelSettings
    from carteiro.settings.worker import WorkerSettings

_EVENT_SECONDS = 120.0
"""Time after which the steps of an event that is tried fail."""


def enrich(
    files: Annotated[list[Path], typer.Argument(help="Files that describe enrichments, in YAML.", metavar="FILE...")],
    try_count: Annotated[
        int | None, typer.Option("--try", metavar="N", min=1, max=1000, help="Only show N events, before and after.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Start at this time, such as 2026-11-01."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Enrich the events of a topic, or try it on some of them.

    With --try nothing is written: it prints events before and after, their price, and the price of all that wait.

    carteiro enrich reviews.yaml --try 20
    carteiro enrich reviews.yaml --since 2026-11-01
    """
    from carteiro.cli.enrich.events import parse_time
    from carteiro.cli.kafka import read_kafka_settings, silence_worker_logs, with_kafka
    from carteiro.enrichment.enrichment_file import EnrichmentFileInvalid, load_enrichment_files
    from carteiro.settings.environment import SettingsInvalid, load_settings

    read_kafka_settings()
    try:
        start = parse_time(since) if since else None
    except ValueError:
        exit_with(f"--since {since!r} is no time: write 2026-11-01 or 2026-11-01T08:00Z", EXIT_USAGE)
    try:
        settings, model_settings = load_settings()
        enrichments = load_enrichment_files(files)
    except (EnrichmentFileInvalid, SettingsInvalid) as error:
        exit_with("; ".join(str(error).splitlines()), EXIT_USAGE)

    async def prepare(kafka: "KafkaSession") -> None:
        for file in enrichments:
            await _prepare(kafka, file, settings, start)

    async def try_events(kafka: "KafkaSession") -> None:
        assert try_count is not None
        for file in enrichments:
            await _try_events(kafka, file, settings, model_settings, try_count, start, as_json=as_json)

    try:
        if try_count is not None:
            silence_worker_logs()
            with_kafka(settings, try_events)
            return
        with_kafka(settings, prepare)
    except EnrichmentFileInvalid as error:
        exit_with(str(error), EXIT_USAGE)
    from carteiro.worker.app import enrichment_worker

    asyncio.run(enrichment_worker(*enrichments).run())


def _check_topic(kafka: "KafkaSession", file: "EnrichmentFile") -> None:
    from carteiro.cli.kafka import KafkaFailed

    if file.source not in kafka.existing:
        raise KafkaFailed(f"{file.name}: there is no topic {file.source}, which `from` names")


async def _try_events(
    kafka: "KafkaSession",
    file: "EnrichmentFile",
    settings: "WorkerSettings",
    model_settings: "ModelSettings",
    count: int,
    start: datetime | None,
    *,
    as_json: bool,
) -> None:
    """Print `count` events before and after, and the price of all that wait. Nothing is written."""
    from rich.console import Console

    from carteiro.cli.enrich.events import count_backlog, read_events
    from carteiro.cli.enrich.trial_view import print_result, print_result_as_json, print_totals
    from carteiro.worker.composition.enrichment_trial import open_trial

    console = Console(highlight=False, emoji=False, stderr=as_json)
    _check_topic(kafka, file)
    records = await read_events(kafka, file.source, count, start)
    if not records:
        console.print(f"{file.source} has no events{' since then' if start else ''}.")
        return
    async with open_trial(file, settings, model_settings) as trial:
        results = []
        for record in records:
            results.append(await trial.run(record, _EVENT_SECONDS))
            (print_result_as_json(results[-1]) if as_json else print_result(console, results[-1]))
    group = settings.group_of(file.served_name)
    print_totals(console, results, await count_backlog(kafka, file.source, group, start))


async def _prepare(
    kafka: "KafkaSession", file: "EnrichmentFile", settings: "WorkerSettings", start: datetime | None
) -> None:
    """Create the topics that the enrichment writes to if they are missing, and let its group start at `start`."""
    from carteiro.cli.enrich.events import commit_start
    from carteiro.cli.enrich.missing_topics import missing_topics
    from carteiro.cli.kafka import KafkaFailed

    _check_topic(kafka, file)
    if missing := await missing_topics(kafka, file):
        await kafka.admin.create_topics(missing)
        typer.echo(f"created {', '.join(topic.name for topic in missing)}", err=True)
    group = settings.group_of(file.served_name)
    if start is not None and not await commit_start(kafka, file.source, group, start):
        raise KafkaFailed(f"--since: the group {group} has started before and goes on from there; leave it out")
