"""`carteiro doctor`."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import typer

from carteiro.cli.doctor.finding import Finding, Verdict
from carteiro.cli.exit_codes import EXIT_USAGE, exit_with
from carteiro.cli.json_lines import AsJson, print_json

EXIT_FAULT = 1
_STYLES: dict[Verdict, str] = {"ok": "green", "warning": "yellow", "fault": "bold red"}


def doctor(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files of enrichments to check too.", metavar="[FILE]...")
    ] = None,
    ask: Annotated[bool, typer.Option(help="Send a test prompt to cloud models; it costs a few tokens.")] = True,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with the settings, Kafka, models, collections or tools, and what to do.

    Exit code 1 if there is a fault.

    carteiro doctor
    carteiro doctor reviews.yaml
    carteiro doctor --no-ask --json
    """
    from rich.console import Console
    from rich.text import Text

    from carteiro.settings.environment import SettingsInvalid

    console = Console(highlight=False, markup=False, emoji=False)

    async def run() -> bool:
        faults = False
        async for finding in _findings(files or [], ask=ask):
            faults = faults or finding.verdict == "fault"
            if as_json:
                print_json(dataclasses.asdict(finding))
            else:
                console.print(
                    Text(f"{finding.verdict:8}", _STYLES[finding.verdict]),
                    f"{finding.what}: {finding.message}",
                    soft_wrap=True,
                )
                if finding.advice:
                    console.print(f"         {finding.advice}", soft_wrap=True)
        return faults

    try:
        if asyncio.run(run()):
            raise SystemExit(EXIT_FAULT)
    except SettingsInvalid as error:
        exit_with(str(error), EXIT_USAGE)


async def _findings(files: list[Path], *, ask: bool) -> AsyncIterator[Finding]:
    from carteiro.cli.doctor.collection_checks import check_collections
    from carteiro.cli.doctor.enrichment_checks import check_enrichment
    from carteiro.cli.doctor.kafka_checks import check_kafka
    from carteiro.cli.doctor.model_checks import check_budget, check_models, check_rerank_model
    from carteiro.cli.doctor.registry_checks import check_registry
    from carteiro.cli.doctor.tools_checks import check_tools
    from carteiro.cli.kafka import silence_worker_logs
    from carteiro.cli.unknown_variables import warn_unknown_variables
    from carteiro.kafka.security import connection_options
    from carteiro.settings.environment import load_settings
    from carteiro.tasks.discovery import find_tasks

    silence_worker_logs()
    warn_unknown_variables()
    settings, model_settings = load_settings()
    tasks = find_tasks()
    async for finding in check_kafka(tasks, settings, connection_options(settings)):
        yield finding
    async for finding in check_models(tasks, settings, model_settings, ask=ask):
        yield finding
    if (reranks := check_rerank_model(settings, model_settings)) is not None:
        yield reranks
    if (spending := check_budget(tasks, settings)) is not None:
        yield spending
    if (registry := await check_registry()) is not None:
        yield registry
    async for finding in check_collections(settings, model_settings):
        yield finding
    async for finding in check_tools(settings):
        yield finding
    for path in files:
        async for finding in check_enrichment(path, settings, model_settings):
            yield finding
