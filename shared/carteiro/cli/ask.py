"""`carteiro ask`: requests from the command line, and their replies."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from carteiro.cli.composing import OptionInvalid, fault, laid
from carteiro.cli.failing import EXIT_ERROR_REPLY, EXIT_KAFKA, EXIT_TIMEOUT, EXIT_USAGE, fail
from carteiro.cli.json_lines import AsJson, print_json
from carteiro.cli.many.command import ask_many
from carteiro.cli.showing import shown
from carteiro.client import Carteiro, CarteiroError, KafkaUnavailable, ReplyError, ReplyTimeout
from carteiro.schemas import REQUESTS, OkReply, Request
from carteiro.worker.kafka.security import connection_options
from carteiro.worker.settings import SettingsInvalid, load_kafka_settings

_TIMEOUT_SECONDS = 300.0


def ask(
    task: Annotated[str, typer.Argument(help=f"One of {', '.join(REQUESTS)}.")],
    text: Annotated[str | None, typer.Argument(help="The text; else --file, else standard input.")] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Read the text from this file.")] = None,
    request: Annotated[Path | None, typer.Option("--request", "-r", help="Send this file, a request's JSON.")] = None,
    jsonl: Annotated[Path | None, typer.Option(help="Send each line of this file: a request's JSON or a text.")] = None,
    out: Annotated[Path | None, typer.Option(help="--jsonl: write the replies to this file, a line each.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="translate: the language to translate to.")] = None,
    source: Annotated[str | None, typer.Option("--from", help="translate: the text's language.")] = None,
    formality: Annotated[str | None, typer.Option(help="translate: formal or informal.")] = None,
    question: Annotated[str | None, typer.Option("--question", "-q", help="answer: the question.")] = None,
    style: Annotated[str | None, typer.Option(help="summarize: paragraph or bullets.")] = None,
    length: Annotated[str | None, typer.Option(help="summarize: short, medium or long.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="sentiment: a label; give it once for each.")] = None,
    system: Annotated[str | None, typer.Option(help="generate, chat: standing instructions.")] = None,
    stop: Annotated[list[str] | None, typer.Option(help="generate: end before this text.")] = None,
    schema: Annotated[Path | None, typer.Option(help="generate: a file with a JSON Schema for the output.")] = None,
    model: Annotated[str | None, typer.Option(help="The model that must answer.")] = None,
    temperature: Annotated[float | None, typer.Option(help="0 takes the likeliest token each time.")] = None,
    max_output_tokens: Annotated[int | None, typer.Option(help="Most tokens of the completion.")] = None,
    seed: Annotated[int | None, typer.Option(help="Makes sampling repeatable.")] = None,
    wait: Annotated[str | None, typer.Option(help="How long the reply may take, for less money: 30m, 24h.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds to wait for the reply; 300, or as --wait says")] = None,
    in_flight: Annotated[int, typer.Option(min=1, help="--jsonl: most requests at once, without --wait.")] = 256,
    as_json: AsJson = False,
) -> None:
    """Send one request to a service and print its reply, or those of a file.

    The text is an argument, a --file, or standard input. Where Kafka is comes from CARTEIRO_BOOTSTRAP_SERVERS.

    carteiro ask summarize --file README.md
    echo "I love it" | carteiro ask sentiment
    carteiro ask translate --to pt --jsonl in.jsonl --out out.jsonl --wait 24h
    """
    if task not in REQUESTS:
        fail(f"there is no task {task!r}; there are {', '.join(REQUESTS)}", EXIT_USAGE)
    fields: dict[str, Any] = {"target": to, "source": source, "formality": formality, "question": question}
    fields |= {"style": style, "length": length, "labels": label, "stop": stop}
    fields["json_schema"] = _json(schema) if schema else None
    options = {"model": model, "temperature": temperature, "max_output_tokens": max_output_tokens}
    try:
        every = laid(task, fields, options | {"seed": seed, "wait": wait}, system)
    except OptionInvalid as error:
        fail(str(error), EXIT_USAGE)
    if jsonl or out:
        if not jsonl or not out or text is not None or file or request:
            fail("--jsonl and --out go together, and without a text, --file or --request", EXIT_USAGE)
        ask_many(every, jsonl, out, timeout=timeout, in_flight=in_flight, as_json=as_json)
        return
    body = _json(request) if request else _text(text, file)
    if request and not isinstance(body, dict):
        fail(f"{request}: is not a JSON object", EXIT_USAGE)
    _print(asyncio.run(_exchange(_request(task, every.over(body)), timeout, as_json=as_json)), as_json=as_json)


def _print(reply: OkReply[Any], *, as_json: bool) -> None:
    if as_json:
        print_json(reply.model_dump(mode="json"))
        return
    print(shown(reply.task, reply.result).rstrip("\n"))
    if sys.stderr.isatty():
        spent = f"{reply.usage.input_tokens} + {reply.usage.output_tokens} tokens, {reply.timing.work_ms / 1000:.1f} s"
        cut = ", cut by the limit of tokens" if reply.finish_reason == "length" else ""
        print(f"({reply.model}, {spent}{cut})", file=sys.stderr)


async def _exchange(request: Request[Any], timeout: float | None, *, as_json: bool) -> OkReply[Any]:
    try:
        settings = load_kafka_settings()
        options = connection_options(settings)
        servers = ",".join(options.pop("bootstrap_servers"))
        async with Carteiro(
            servers, topic_prefix=settings.topic_prefix, timeout=_TIMEOUT_SECONDS, **options
        ) as carteiro:
            return await carteiro.ask(request, timeout=timeout)
    except ReplyError as error:
        if as_json:
            print_json(error.reply.model_dump(mode="json"))
        fail(str(error), EXIT_ERROR_REPLY)
    except KafkaUnavailable as error:
        fail(f"{error}; is it running (`carteiro up`)? CARTEIRO_BOOTSTRAP_SERVERS says where", EXIT_KAFKA)
    except ReplyTimeout as error:
        fail(str(error), EXIT_TIMEOUT)
    except (CarteiroError, SettingsInvalid) as error:
        fail(str(error), EXIT_USAGE)


def _request(task: str, body: dict[str, Any]) -> Request[Any]:
    try:
        return REQUESTS[task].model_validate_json(json.dumps(body))
    except ValidationError as error:
        first = error.errors()[0]
        fail(fault(first["loc"], first["msg"]), EXIT_USAGE)


def _text(text: str | None, file: Path | None) -> str:
    if text is not None:
        return text
    if file is not None:
        return _read(file)
    if sys.stdin is None or sys.stdin.isatty():
        fail("there is no text: give it as an argument, with --file, or on standard input", EXIT_USAGE)
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        fail("standard input is not text in UTF-8", EXIT_USAGE)


def _json(file: Path) -> Any:
    try:
        return json.loads(_read(file))
    except ValueError as error:
        fail(f"{file}: is not JSON: {error}", EXIT_USAGE)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        fail(f"{file}: {error.strerror}", EXIT_USAGE)
    except UnicodeDecodeError:
        fail(f"{file}: is not text in UTF-8", EXIT_USAGE)
