"""The demo: a broker, all services and the requests of a folder, once, on this machine only."""

import asyncio
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from carteiro.cli.better_model import better_model_hint
from carteiro.cli.demo_documents import COLLECTION, demo_collection, index_documents
from carteiro.cli.embedded import EmbeddedBroker
from carteiro.cli.exit_codes import EXIT_INTERRUPTED, exit_with
from carteiro.cli.json_lines import print_json
from carteiro.cli.plural import pluralise
from carteiro.cli.unknown_variables import warn_unknown_variables
from carteiro.client import Carteiro, ReplyError
from carteiro.models.local.inference.thread import set_exit_code
from carteiro.schemas import REQUESTS, OkReply, Request
from carteiro.schemas.field_errors import explain, field_errors
from carteiro.tasks.discovery import find_tasks

_REPLY_SECONDS = 600.0
_EXAMPLES = Path("examples")


@dataclass(frozen=True)
class Example:
    """A request of the demo."""

    name: str
    request: Request[Any]


def run(folder: Path | None, *, as_json: bool) -> None:
    """Send the requests of the folder and show their replies. Exit with an error if one of them failed."""
    console = Console(stderr=as_json, markup=False, emoji=False)
    requests = read_examples(folder)
    warn_unknown_variables()
    try:
        with EmbeddedBroker() as broker, demo_collection((folder or _EXAMPLES) / "documents") as documents:
            os.environ["CARTEIRO_BOOTSTRAP_SERVERS"] = broker.address
            os.environ.setdefault("CARTEIRO_LOG_LEVEL", "error")
            os.environ.setdefault("CARTEIRO_GRACE_SECONDS", "1")
            failed = asyncio.run(_run(requests, documents, broker.address, console, as_json=as_json))
    except KeyboardInterrupt:
        set_exit_code(EXIT_INTERRUPTED)
        exit_with("stopped", EXIT_INTERRUPTED)
    if failed:
        exit_with(f"{failed} of {pluralise(len(requests), 'request')} failed")


def read_examples(chosen: Path | None) -> list[Example]:
    """Return the requests of the chosen folder, in the order of their files' names.

    Without a folder, they are those in `examples`, and the first example of its schema for each task without a file.
    """
    folder = chosen or _EXAMPLES
    files = sorted(folder.glob("*.json"))
    if not files:
        exit_with(f"there are no requests in {folder}: run this in Carteiro's folder, or say --examples")
    examples = []
    for file in files:
        task = file.stem.partition("-")[0]
        if task not in REQUESTS:
            exit_with(f"{file}: there is no task {task!r}")
        try:
            examples.append(Example(file.stem, REQUESTS[task].model_validate_json(file.read_bytes())))
        except ValidationError as error:
            exit_with(f"{file}: {explain(field_errors(error, limit=1))}")
    if chosen is not None:
        return examples
    without_file = [task for task in REQUESTS if not any(each.request.task == task for each in examples)]
    return examples + [Example(task, _example_in_schema(REQUESTS[task])) for task in without_file]


def _example_in_schema(request: type[Request[Any]]) -> Request[Any]:
    return request.model_validate_json(json.dumps(request.model_json_schema()["examples"][0]))


async def _run(examples: list[Example], documents: list[Path], address: str, console: Console, *, as_json: bool) -> int:
    from carteiro.worker.app import worker

    tasks = find_tasks()
    app = worker(*tasks, collections=bool(documents))
    began = time.monotonic()
    starting = asyncio.create_task(app.start())
    try:
        with console.status("") as status:
            while not app.health.ready:
                if starting.done():
                    starting.result()
                status.update(f"{app.health.phase} ({time.monotonic() - began:.0f} s)")
                await asyncio.sleep(0.1)
        names = ", ".join(task.name for task in tasks)
        console.print(f"{len(tasks)} services are up after {time.monotonic() - began:.1f} s: {names}")
        if documents:
            with console.status("indexing documents"):
                await index_documents(documents, app.settings)
            shown = ", ".join(file.name for file in documents)
            console.print(f"{len(documents)} documents are in the collection {COLLECTION}: {shown}")
        async with Carteiro(address, timeout=_REPLY_SECONDS) as carteiro:
            failed = await _ask_all(examples, carteiro, console, as_json=as_json)
        if hint := better_model_hint(app.settings, "make up"):
            console.print(hint, highlight=False, soft_wrap=True)
        return failed
    finally:
        starting.cancel()
        await app.stop()


async def _ask_all(examples: list[Example], carteiro: Carteiro, console: Console, *, as_json: bool) -> int:
    waiting = {asyncio.create_task(carteiro.ask(each.request)): each for each in examples}
    rows: list[tuple[str, ...]] = []
    failed = 0
    began = time.monotonic()
    # JSON goes to standard output, even if a terminal shows the progress.
    with Live(console=console, transient=True, refresh_per_second=8, redirect_stdout=not as_json) as live:
        while waiting:
            files = ", ".join(each.name for each in waiting.values())
            seconds = time.monotonic() - began
            live.update(
                Spinner("dots", f"awaiting {pluralise(len(waiting), 'reply', 'replies')} ({seconds:.0f} s): {files}")
            )
            done, _ = await asyncio.wait(waiting, timeout=0.25, return_when=asyncio.FIRST_COMPLETED)
            for call in done:
                example = waiting.pop(call)
                error = call.exception()
                reply = None if error else call.result()
                failed += error is not None
                if as_json:
                    print_json(_json_object(example, reply, error))
                else:
                    live.console.print(_panel(example, reply, error))
                rows.append(_row(example, reply))
    table = Table("request", "model", "tokens", "waited", "worked")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    return failed


def _json_object(example: Example, reply: OkReply[Any] | None, error: BaseException | None) -> dict[str, object]:
    answer = error.reply if isinstance(error, ReplyError) else reply
    return {
        "example": example.name,
        "reply": answer.model_dump(mode="json") if answer else None,
        "error": str(error) if error else None,
    }


def _panel(example: Example, reply: OkReply[Any] | None, error: BaseException | None) -> Panel:
    body = Text(reply.result.render()) if reply else Text(f"error: {error}", "red")
    fields = json.loads(example.request.to_json())
    lines = []
    for name, value in fields.items():
        shown_value = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        lines.append(Text.assemble((f"{name}: ", "cyan"), (shown_value, "dim")))
    return Panel(
        Text("\n").join([*lines, Text.assemble(("→ ", "green"), body)]), title=example.name, title_align="left"
    )


def _row(example: Example, reply: OkReply[Any] | None) -> tuple[str, ...]:
    if reply is None:
        return (example.name, "-", "-", "-", "error")
    usage, timing = reply.usage, reply.timing
    tokens = f"{usage.input_tokens} → {usage.output_tokens}"
    return (example.name, reply.model, tokens, f"{timing.queue_ms / 1000:.1f} s", f"{timing.work_ms / 1000:.1f} s")
