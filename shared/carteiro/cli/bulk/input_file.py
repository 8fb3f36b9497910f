"""Input of a job: the file of requests, and the request in each of its lines."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from carteiro.cli.bulk.journal import JobFailed
from carteiro.cli.bulk.line_states import LineStates
from carteiro.cli.request_options import RequestDefaults
from carteiro.schemas import REQUESTS, ErrorDetail, FieldError, Request
from carteiro.wire.envelope import Envelope
from carteiro.worker.parsing import RequestRejected, invalid_field, read_request


class InputFile:
    """The file of requests."""

    def __init__(self, path: Path) -> None:
        """Read the whole file once. Raise `JobFailed` if it cannot be read."""
        self.path = path
        self.states = LineStates()
        digest = hashlib.sha256()
        for line in _lines(path):
            digest.update(line)
            self.states.add(blank=not line.strip())
        self.digest = digest.hexdigest()
        """SHA-256 of the file."""

    def unsent_lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines that are not sent yet, and their numbers, from 1. Raise `JobFailed` if the file cannot be
        read.
        """
        for number, line in enumerate(_lines(self.path), 1):
            if self.states.is_unsent(number):
                yield number, line


def read_line(line: bytes, defaults: RequestDefaults) -> Request[Any]:
    """Return the request in a line, with the command's options applied. Raise `RequestRejected`, as a service would."""
    try:
        body = json.loads(line.decode("utf-8-sig"))
        if not isinstance(body, dict | str):
            raise _invalid_line("is neither a JSON object nor a text in quotes")
        value = json.dumps(defaults.apply_to(body)).encode()
    except UnicodeDecodeError:
        raise _invalid_line("is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise _invalid_line(f"is not JSON: {error}") from None
    # The command sets the headers itself, so only the body can be wrong.
    inside = Envelope(
        request_id="", correlation_id="", echo_headers=(), key=None, body=value, sent_at=datetime.now(UTC)
    )
    return read_request(REQUESTS[defaults.task], inside)


def local_error(error: ErrorDetail) -> dict[str, Any]:
    """Return an error reply without a request id, for a line that was not sent."""
    return {"status": "error", "error": error.model_dump(mode="json")}


def _invalid_line(reason: str) -> RequestRejected:
    return invalid_field(FieldError(field="line", reason=reason))


def _lines(path: Path) -> Iterator[bytes]:
    try:
        if path.exists() and not path.is_file():
            # A resumed job cannot read a pipe again.
            raise JobFailed(f"{path}: is not a file")
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise JobFailed(f"{path}: {error.strerror}") from None
