"""Exchange of one request of `carteiro ask`: send it, and print its reply, streamed or as a whole."""

import asyncio
import json
import sys
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, nullcontext
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from carteiro.cli.exit_codes import EXIT_ERROR_REPLY, EXIT_KAFKA, EXIT_TIMEOUT, EXIT_USAGE, exit_with
from carteiro.cli.json_lines import print_json
from carteiro.cli.request_options import error_line
from carteiro.cli.unknown_variables import warn_unknown_variables
from carteiro.client import Carteiro, CarteiroError, KafkaUnavailable, ReplyError, ReplyTimeout, TopicMissing
from carteiro.extras import ExtraMissing
from carteiro.kafka.security import connection_options
from carteiro.references.errors import AddressInvalid, StoreInvalid
from carteiro.schemas import REQUESTS, OkReply, PartialReply, Request
from carteiro.schemas.field_errors import explain, field_errors
from carteiro.settings.environment import SettingsInvalid, load_kafka_settings

_TIMEOUT_SECONDS = 300.0
_NO_REASONING = "no reasoning: the model shows none, or its service has no CARTEIRO_SHOW_REASONING=true"


def exchange(request: Request[Any], *, bucket: str | None, timeout: float | None, stream: bool, as_json: bool) -> None:
    """Send the request and print its reply, or exit with an error. `timeout` is in seconds."""
    try:
        asyncio.run(_exchange(request, bucket, timeout, stream=stream, as_json=as_json))
    except (AddressInvalid, StoreInvalid, ExtraMissing) as error:
        _exit_with(f"--bucket: {error}", EXIT_USAGE)
    except ReplyError as error:
        if as_json:
            print_json(error.reply.model_dump(mode="json"))
        _exit_with(str(error), EXIT_ERROR_REPLY)
    except TopicMissing as error:
        _exit_with(str(error), EXIT_KAFKA)
    except KafkaUnavailable as error:
        _exit_with(f"{error}; is it running (`carteiro up`)? CARTEIRO_BOOTSTRAP_SERVERS says where", EXIT_KAFKA)
    except ReplyTimeout as error:
        _exit_with(str(error), EXIT_TIMEOUT)
    except (CarteiroError, SettingsInvalid) as error:
        _exit_with(str(error), EXIT_USAGE)


def _exit_with(reason: str, code: int) -> NoReturn:
    # Streamed text may not end with a new line, so it is flushed first.
    sys.stdout.flush()
    exit_with(reason, code)


async def _exchange(
    request: Request[Any], bucket: str | None, timeout: float | None, *, stream: bool, as_json: bool
) -> None:
    warn_unknown_variables()
    settings = load_kafka_settings()
    options = connection_options(settings)
    servers = ",".join(options.pop("bootstrap_servers"))
    writing = StreamPrinter()
    async with AsyncExitStack() as stack:
        waiting = stack.enter_context(ExitStack())
        waiting.enter_context(_spinner(f"waiting for the reply of {request.task}"))
        stack.callback(writing.end)
        carteiro = await stack.enter_async_context(
            Carteiro(
                servers,
                topic_prefix=settings.topic_prefix,
                timeout=_TIMEOUT_SECONDS,
                compression=settings.compression,
                bucket=bucket,
                **options,
            )
        )
        if not stream:
            reply = await carteiro.ask(request, timeout=timeout)
            waiting.close()
            print_reply(reply, writing, as_json=as_json, reasoning=request.options.reasoning)
            return
        async for piece in carteiro.stream.ask(request, timeout=timeout):
            waiting.close()
            if isinstance(piece, OkReply):
                print_reply(piece, writing, as_json=as_json, reasoning=request.options.reasoning)
            elif as_json:
                print_json(piece.model_dump(mode="json"))
            else:
                writing.write(piece)


class StreamPrinter:
    """Printer of streamed text on standard output."""

    def __init__(self) -> None:
        self._attempt, self._text = "", ""

    def write(self, piece: PartialReply) -> None:
        """Print a chunk. A chunk of another attempt makes the printed text void, and begins on a new line."""
        if self._text and piece.attempt != self._attempt:
            self.end()
            print("carteiro: the model has begun again; the text above is void", file=sys.stderr)
        self._attempt = piece.attempt
        self._text += piece.text
        print(piece.text, end="", flush=True)

    def finish(self, text: str) -> None:
        """Print the rest of the whole text. If other text was printed, print all of it."""
        if self._text and text.startswith(self._text.rstrip("\n")):
            print(text[len(self._text) :].rstrip("\n"))
        else:
            self.end()
            print(text)
        self._text = ""

    def end(self) -> None:
        """End the current line."""
        if self._text and not self._text.endswith("\n"):
            print(flush=True)
        self._text = ""


def print_reply(reply: OkReply[Any], printer: StreamPrinter, *, as_json: bool, reasoning: bool) -> None:
    """Print a reply. With `reasoning`, also print the model's thinking on standard error."""
    if as_json:
        print_json(reply.model_dump(mode="json"))
        return
    printer.finish(reply.result.render().rstrip("\n"))
    if reasoning:
        thought = getattr(reply.result, "reasoning", None)
        print(f"(thought: {thought})" if thought else f"({_NO_REASONING})", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        spent = f"{reply.usage.input_tokens} + {reply.usage.output_tokens} tokens, {reply.timing.work_ms / 1000:.1f} s"
        cut = ", cut by the limit of tokens" if reply.finish_reason == "length" else ""
        print(f"({reply.model}, {spent}{cut})", file=sys.stderr)


def _spinner(text: str) -> AbstractContextManager[object]:
    if sys.stderr is None or not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(text)


def read_request(task: str, body: dict[str, Any], file: Path | None) -> Request[Any]:
    """Return the request of a task, from `file` or from the command line. Exit with an error if it is invalid."""
    try:
        return REQUESTS[task].model_validate_json(json.dumps(body))
    except ValidationError as error:
        fields = field_errors(error)
        exit_with(
            f"{file}: {explain(fields)}" if file else "; ".join(error_line(task, each) for each in fields), EXIT_USAGE
        )


def read_text(text: str | None, file: Path | None) -> str:
    """Return the text: as given, of the file, or of standard input. Exit with an error if it cannot be read."""
    if text is not None:
        return text
    if file is not None:
        return _read(file)
    if sys.stdin is None or sys.stdin.isatty():
        exit_with("there is no text: give it as an argument, with --file, or on standard input", EXIT_USAGE)
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        exit_with("standard input is not text in UTF-8", EXIT_USAGE)


def read_json(file: Path) -> Any:
    """Return the JSON of a file. Exit with an error if it cannot be read."""
    try:
        return json.loads(_read(file))
    except ValueError as error:
        exit_with(f"{file}: is not JSON: {error}", EXIT_USAGE)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        exit_with(f"{file}: {error.strerror}", EXIT_USAGE)
    except UnicodeDecodeError:
        exit_with(f"{file}: is not text in UTF-8", EXIT_USAGE)
