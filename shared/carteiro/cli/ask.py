"""`carteiro ask`: send requests from the command line, and print their replies."""

import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from carteiro.cli import completion
from carteiro.cli.exit_codes import EXIT_USAGE, exit_with
from carteiro.cli.field_options import field_options, join_names, only_for, with_field_options
from carteiro.cli.json_lines import AsJson
from carteiro.schemas import REQUESTS

_STREAMING = tuple(task for task, request in REQUESTS.items() if request.streams)
_REASONING = tuple(task for task, request in REQUESTS.items() if "reasoning" in request.result.model_fields)
_ATTACHING = tuple(
    task for task, request in REQUESTS.items() if {"attachments", "messages"} & request.model_fields.keys()
)
_TASKS_BY_PANEL = {only_for(tasks): tasks for tasks in (_STREAMING, _REASONING, _ATTACHING)} | {
    option.panel: option.tasks for option in field_options() if option.panel
}
"""Tasks by the panel of the help that has their options."""


class AskCommand(TyperCommand):
    """Command whose help and completion leave out the options of other tasks, once a task is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Note the task, because `--help` may come before it."""
        ctx.meta["carteiro.task"] = next((word for word in args if not word.startswith("-")), None)
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help for the task that is named, or for all tasks."""
        task = ctx.meta.get("carteiro.task")
        if any(task in tasks for tasks in _TASKS_BY_PANEL.values()):
            for option in self.params:
                panel = getattr(option, "rich_help_panel", None)
                option.hidden = task not in _TASKS_BY_PANEL.get(str(panel), (task,))  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


@with_field_options
def ask(
    task: Annotated[
        str,
        typer.Argument(help=f"{', '.join(REQUESTS)}.", autocompletion=completion.task_names),
    ],
    text: Annotated[str | None, typer.Argument(help="The text; by default --file, or standard input.")] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Read the text from this file.")] = None,
    request: Annotated[Path | None, typer.Option("--request", "-r", help="Send this file, a request's JSON.")] = None,
    jsonl: Annotated[Path | None, typer.Option(help="Send each line of this file: a request's JSON or a text.")] = None,
    out: Annotated[Path | None, typer.Option(help="--jsonl: write the replies to this file, a line each.")] = None,
    attach: Annotated[
        list[str] | None,
        typer.Option(
            help="A file or an address of one: an image, a PDF file, a sound.", rich_help_panel=only_for(_ATTACHING)
        ),
    ] = None,
    stream: Annotated[
        bool | None,
        typer.Option(
            "--stream/--no-stream",
            help="Print the text while it is written; the default on a terminal.",
            rich_help_panel=only_for(_STREAMING),
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model that must answer.")] = None,
    temperature: Annotated[float | None, typer.Option(help="0 takes the most likely token each time.")] = None,
    max_output_tokens: Annotated[int | None, typer.Option(help="Maximum tokens of the completion.")] = None,
    reasoning: Annotated[
        bool,
        typer.Option("--reasoning", help="Also print the model's thinking.", rich_help_panel=only_for(_REASONING)),
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Makes sampling repeatable.")] = None,
    wait: Annotated[str | None, typer.Option(help="How long the reply may take, for less money: 30m, 24h.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds to wait for the reply; 300, or as --wait says")] = None,
    bucket: Annotated[
        str | None,
        typer.Option(help="Upload the longest texts of a request above 512 KiB there: s3://..., gs://..., az://..."),
    ] = None,
    in_flight: Annotated[int, typer.Option(min=1, help="--jsonl: maximum requests at once, without --wait.")] = 256,
    as_json: AsJson = False,
    *,
    fields: dict[str, Any],
    options: dict[str, Any],
) -> None:
    """Send one request to a service and print its reply, or those of a file.

    The text is an argument, a --file, or standard input. Kafka's address is CARTEIRO_BOOTSTRAP_SERVERS.
    carteiro ask TASK --help leaves out the options of other tasks.

    carteiro ask summarize --file README.md
    echo "I love it" | carteiro ask sentiment
    carteiro ask chat "What is this?" --attach photo.jpg
    carteiro ask translate --to pt --jsonl in.jsonl --out out.jsonl --wait 24h
    """
    from carteiro.cli import ask_exchange
    from carteiro.cli.request_options import OptionInvalid, read_attachments, read_defaults

    if task not in REQUESTS:
        near = get_close_matches(task, REQUESTS, 1)
        hint = f"did you mean {near[0]!r}? There are" if near else "there are"
        exit_with(f"there is no task {task!r}; {hint} {', '.join(REQUESTS)}", EXIT_USAGE)
    if reasoning and task not in _REASONING:
        exit_with(f"--reasoning: is not an option of {task}, but of {join_names(_REASONING)}", EXIT_USAGE)
    if attach and task not in _ATTACHING:
        exit_with(f"--attach: is not an option of {task}, but of {join_names(_ATTACHING)}", EXIT_USAGE)
    fields = {
        name: ask_exchange.read_json(value) if isinstance(value, Path) else value for name, value in fields.items()
    }
    options |= {"model": model, "temperature": temperature, "max_output_tokens": max_output_tokens}
    options |= {"reasoning": reasoning or None, "seed": seed, "wait": wait}
    try:
        attachments = read_attachments(attach) if attach else None
        every = read_defaults(task, fields | {"attachments": attachments}, options)
    except OptionInvalid as error:
        exit_with(str(error), EXIT_USAGE)
    if jsonl or out:
        if not jsonl or not out or text is not None or file or request or bucket:
            exit_with("--jsonl and --out go together, and without a text, --file, --request or --bucket", EXIT_USAGE)
        from carteiro.cli.bulk.command import run_bulk_job

        run_bulk_job(every, jsonl, out, timeout=timeout, max_in_flight=in_flight, as_json=as_json)
        return
    body: Any = {}
    if request:
        body = ask_exchange.read_json(request)
    elif text is not None or file or not every.complete:
        body = ask_exchange.read_text(text, file)
    if request and not isinstance(body, dict):
        exit_with(f"{request}: is not a JSON object", EXIT_USAGE)
    whole = ask_exchange.read_request(task, every.apply_to(body), request)
    if stream is None:
        waits = whole.options.wait is not None
        stream = whole.options.stream or (task in _STREAMING and not as_json and not waits and sys.stdout.isatty())
    ask_exchange.exchange(whole, bucket=bucket, timeout=timeout, stream=stream, as_json=as_json)


ask.command_class = AskCommand  # type: ignore[attr-defined]
