"""Reading the input: what is in it, and a request from each of its lines."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from carteiro.cli.composing import Laid
from carteiro.cli.many.journal import JobFailed
from carteiro.cli.many.states import States
from carteiro.schemas import REQUESTS, ErrorDetail, FieldError, Request
from carteiro.wire.envelope import Envelope
from carteiro.worker.intake import Rejected, read_request, rejection


class Input:
    """The file of requests."""

    def __init__(self, path: Path) -> None:
        """Read through it once. Raises `JobFailed`."""
        self.path = path
        self.states = States()
        digest = hashlib.sha256()
        for line in _lines(path):
            digest.update(line)
            self.states.add(blank=not line.strip())
        self.digest = digest.hexdigest()
        """SHA-256 of the file."""

    def unsent(self) -> Iterator[tuple[int, bytes]]:
        """The lines that have still to be sent, and their numbers, from 1. Raises `JobFailed`."""
        for number, line in enumerate(_lines(self.path), 1):
            if self.states.unsent(number):
                yield number, line


def read_line(line: bytes, laid: Laid) -> Request[Any]:
    """The request in a line, with the command's options laid over it. Raises `Rejected`, as a service would."""
    try:
        body = json.loads(line.decode("utf-8-sig"))
        if not isinstance(body, dict | str):
            raise _not_a_line("is neither a JSON object nor a text in quotes")
        value = json.dumps(laid.over(body)).encode()
    except UnicodeDecodeError:
        raise _not_a_line("is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise _not_a_line(f"is not JSON: {error}") from None
    # The headers are ours, and as they should be: only the body can be wrong.
    inside = Envelope(request_id="", correlation_id="", echo=(), key=None, body=value, asked_at=datetime.now(UTC))
    return read_request(REQUESTS[laid.task], inside)


def local_error(error: ErrorDetail) -> dict[str, Any]:
    """In the place of a reply, for a line that was not sent: an error reply without a request's id."""
    return {"status": "error", "error": error.model_dump(mode="json")}


def _not_a_line(reason: str) -> Rejected:
    return rejection(FieldError(field="line", reason=reason))


def _lines(path: Path) -> Iterator[bytes]:
    try:
        if path.exists() and not path.is_file():
            # A pipe cannot be read again by a job that goes on.
            raise JobFailed(f"{path}: is not a file")
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise JobFailed(f"{path}: {error.strerror}") from None
