"""`carteiro demo`: all of it once, on this machine alone."""

import asyncio
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from carteiro.cli.embedded import EmbeddedBroker
from carteiro.cli.failing import EXIT_INTERRUPTED, fail
from carteiro.cli.json_lines import AsJson, print_json
from carteiro.cli.showing import shown
from carteiro.client import Carteiro, ReplyError
from carteiro.schemas import REQUESTS, OkReply, Request
from carteiro.worker.services import find_tasks

_REPLY_SECONDS = 600.0


@dataclass(frozen=True)
class Example:
    """A request from `examples/`."""

    file: Path
    request: Request[Any]


def demo(
    examples: Annotated[Path, typer.Option(help="Folder of requests, `<task>*.json`.")] = Path("examples"),
    as_json: AsJson = False,
) -> None:
    """Start an embedded broker and all services, send them the requests in examples/, and show the replies.

    carteiro demo
    carteiro demo --json | jq .reply.result
    """
    console = Console(stderr=as_json, markup=False)
    requests = read_examples(examples)
    try:
        with EmbeddedBroker() as broker:
            os.environ["CARTEIRO_BOOTSTRAP_SERVERS"] = broker.address
            os.environ.setdefault("CARTEIRO_LOG_LEVEL", "error")
            os.environ.setdefault("CARTEIRO_GRACE_SECONDS", "1")
            failed = asyncio.run(_run(requests, broker.address, console, as_json=as_json))
    except KeyboardInterrupt:
        fail("stopped", EXIT_INTERRUPTED)
    if failed:
        fail(f"{failed} of {len(requests)} requests failed")


def read_examples(folder: Path) -> list[Example]:
    """The requests of a folder, in the order of their files' names."""
    files = sorted(folder.glob("*.json"))
    if not files:
        fail(f"there are no requests in {folder}: run this in Carteiro's folder, or say --examples")
    examples = []
    for file in files:
        task = file.stem.partition("-")[0]
        if task not in REQUESTS:
            fail(f"{file}: there is no task {task!r}")
        try:
            examples.append(Example(file, REQUESTS[task].model_validate_json(file.read_bytes())))
        except ValidationError as error:
            first = error.errors()[0]
            fail(f"{file}: {'.'.join(map(str, first['loc']))} {first['msg']}")
    return examples


async def _run(examples: list[Example], address: str, console: Console, *, as_json: bool) -> int:
    from carteiro.worker.app import worker

    tasks = find_tasks()
    app = worker(*tasks)
    began = time.monotonic()
    starting = asyncio.create_task(app.start())
    try:
        with console.status("") as status:
            while not app.health.ready:
                if starting.done():
                    starting.result()
                status.update(f"{app.health.state} ({time.monotonic() - began:.0f} s)")
                await asyncio.sleep(0.1)
        names = ", ".join(task.name for task in tasks)
        console.print(f"{len(tasks)} services are up after {time.monotonic() - began:.1f} s: {names}")
        async with Carteiro(address, timeout=_REPLY_SECONDS) as carteiro:
            return await _ask_all(examples, carteiro, console, as_json=as_json)
    finally:
        starting.cancel()
        await app.stop()


async def _ask_all(examples: list[Example], carteiro: Carteiro, console: Console, *, as_json: bool) -> int:
    waiting = {asyncio.create_task(carteiro.ask(each.request).reply()): each for each in examples}
    rows: list[tuple[str, ...]] = []
    failed = 0
    began = time.monotonic()
    # What is JSON goes to standard output, whatever stands on the terminal.
    with Live(console=console, transient=True, refresh_per_second=8, redirect_stdout=not as_json) as live:
        while waiting:
            files = ", ".join(each.file.stem for each in waiting.values())
            seconds = time.monotonic() - began
            live.update(Spinner("dots", f"awaiting {len(waiting)} replies ({seconds:.0f} s): {files}"))
            done, _ = await asyncio.wait(waiting, timeout=0.25, return_when=asyncio.FIRST_COMPLETED)
            for call in done:
                example = waiting.pop(call)
                error = call.exception()
                reply = None if error else call.result()
                failed += error is not None
                if as_json:
                    print_json(_plain(example, reply, error))
                else:
                    live.console.print(_panel(example, reply, error))
                rows.append(_row(example, reply))
    table = Table("request", "model", "tokens", "waited", "worked")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    return failed


def _plain(example: Example, reply: OkReply[Any] | None, error: BaseException | None) -> dict[str, object]:
    told = error.reply if isinstance(error, ReplyError) else reply
    return {
        "example": example.file.stem,
        "reply": told.model_dump(mode="json") if told else None,
        "error": str(error) if error else None,
    }


def _panel(example: Example, reply: OkReply[Any] | None, error: BaseException | None) -> Panel:
    body = Text(shown(reply.task, reply.result)) if reply else Text(f"error: {error}", "red")
    fields = json.loads(example.request.to_json())
    lines = []
    for name, value in fields.items():
        shown_value = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        lines.append(Text.assemble((f"{name}: ", "cyan"), (shown_value, "dim")))
    return Panel(
        Text("\n").join([*lines, Text.assemble(("→ ", "green"), body)]), title=example.file.stem, title_align="left"
    )


def _row(example: Example, reply: OkReply[Any] | None) -> tuple[str, ...]:
    if reply is None:
        return (example.file.stem, "-", "-", "-", "error")
    usage, timing = reply.usage, reply.timing
    tokens = f"{usage.input_tokens} → {usage.output_tokens}"
    return (example.file.stem, reply.model, tokens, f"{timing.queue_ms / 1000:.1f} s", f"{timing.work_ms / 1000:.1f} s")
