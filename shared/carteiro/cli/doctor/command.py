"""`carteiro doctor`."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from carteiro.cli.doctor.finding import Finding, Verdict
from carteiro.cli.doctor.kafka_checks import check_kafka
from carteiro.cli.doctor.model_checks import check_models
from carteiro.cli.failing import EXIT_USAGE, fail
from carteiro.cli.json_lines import AsJson, print_json
from carteiro.worker.kafka.security import connection_options
from carteiro.worker.services import find_tasks
from carteiro.worker.settings import SettingsInvalid, load_settings

EXIT_FAULT = 1
_STYLES: dict[Verdict, str] = {"ok": "green", "warning": "yellow", "fault": "bold red"}


def doctor(
    ask: Annotated[bool, typer.Option(help="Ask models in a cloud for a word or two, which costs as much.")] = True,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with the settings, Kafka or the models, and what to do. Exit code 1 where there is a fault.

    carteiro doctor
    carteiro doctor --no-ask --json
    """
    console = Console(highlight=False, markup=False)

    async def run() -> bool:
        faults = False
        async for finding in _findings(ask=ask):
            faults = faults or finding.verdict == "fault"
            if as_json:
                print_json(dataclasses.asdict(finding))
            else:
                console.print(
                    Text(f"{finding.verdict:8}", _STYLES[finding.verdict]),
                    f"{finding.what}: {finding.said}",
                    soft_wrap=True,
                )
                if finding.advice:
                    console.print(f"         {finding.advice}", soft_wrap=True)
        return faults

    try:
        if asyncio.run(run()):
            raise SystemExit(EXIT_FAULT)
    except SettingsInvalid as error:
        fail(str(error), EXIT_USAGE)


async def _findings(*, ask: bool) -> AsyncIterator[Finding]:
    settings, model_settings = load_settings()
    tasks = find_tasks()
    async for finding in check_kafka(tasks, settings, connection_options(settings)):
        yield finding
    async for finding in check_models(tasks, settings, model_settings, ask=ask):
        yield finding
