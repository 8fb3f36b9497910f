"""A job: a file of requests on its way to a file of replies.

Beside the file of replies stands another of the same name and `.job`, the job's own. Its first line says what the job
is and where its replies begin, and is on the disk before anything is sent; each further one says which lines of the
input Kafka has confirmed. A job that is killed goes on from there: it sends the lines that stand nowhere, and reads all
replies since its beginning, of which it writes those that are not written. A line that was sent and could not be noted
is sent again, under the same idempotency key.
"""

import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from carteiro.cli.composing import Laid
from carteiro.cli.many.journal import JobFailed, Journal
from carteiro.cli.many.lines import Input
from carteiro.cli.many.tally import Tally


class Beginning(BaseModel):
    """The first line of a job's file."""

    job: str
    """What the correlation ids of its requests begin with."""
    input: str
    """SHA-256 of the file of requests."""
    options: str
    """SHA-256 of the task and of what is laid over every request."""
    replies: str
    """The topic of the replies."""
    offsets: dict[int, int]
    """Where the replies begin, by partition."""


class _Sent(BaseModel):
    sent: list[tuple[int, int]]
    """The first and the last of each row of lines."""


class Job:
    """A job that is open, and alone at its files."""

    def __init__(self, laid: Laid, source: Input, notes: Journal, written: Journal, replies: str) -> None:
        """`replies` is the topic of its replies. Raises `JobFailed` where the files are not those of this job."""
        self.laid = laid
        self.source = source
        self.states = source.states
        self.tally = Tally()
        self.beginning: Beginning | None = None
        """None until the job has begun."""
        self._notes = notes
        self._written = written
        self._replies = replies
        self._options = _digest([laid.task, laid.fields, laid.options, laid.system])
        self._read_notes()
        self._read_written()

    def begin(self, offsets: dict[int, int]) -> Beginning:
        """Note where the replies begin; only then may a request be sent."""
        beginning = Beginning(
            job=uuid.uuid4().hex,
            input=self.source.digest,
            options=self._options,
            replies=self._replies,
            offsets=offsets,
        )
        self._notes.append(beginning.model_dump_json().encode(), lasting=True)
        self.beginning = beginning
        return beginning

    def correlation_id(self, line: int) -> bytes:
        """What a line's request and its reply have in common; also the request's idempotency key."""
        assert self.beginning
        return f"{self.beginning.job}-{line}".encode()

    def line(self, correlation_id: bytes) -> int | None:
        """Whose reply this is, None where it is none of ours."""
        assert self.beginning
        job, _, line = correlation_id.rpartition(b"-")
        if job != self.beginning.job.encode() or not line.isdigit() or len(line) > 18:
            return None
        return int(line) if self.states.known(int(line)) else None

    def sent(self, lines: Iterable[int]) -> None:
        """Kafka has confirmed these lines."""
        lines = sorted(lines)
        self._notes.append(_Sent(sent=_rows(lines)).model_dump_json().encode())
        for line in lines:
            self.states.send(line)

    def answer(self, line: int, reply: dict[str, Any]) -> None:
        """Write a line's reply, unless it has one."""
        if self.states.is_answered(line):
            return
        written = json.dumps({"line": line, "reply": reply}, ensure_ascii=False)
        # Half of a surrogate pair is no character, but JSON has an escape for it: Python writes the same one.
        self._written.append(written.encode("utf-8", "backslashreplace"))
        self.states.answer(line)
        self.tally.add(reply)

    def _read_notes(self) -> None:
        for number, line in self._notes.lines():
            try:
                if number == 1:
                    self.beginning = self._checked(Beginning.model_validate_json(line))
                    continue
                for first, last in _Sent.model_validate_json(line).sent:
                    if not self.states.known(first) or not self.states.known(last):
                        raise ValueError
                    for each in range(first, last + 1):
                        self.states.send(each)
            except ValueError:
                raise JobFailed(f"{self._notes.path}: line {number} is none of a job's") from None

    def _checked(self, found: Beginning) -> Beginning:
        anew = f"give another --out, or remove {self._written.path} and {self._notes.path} to begin anew"
        if found.input != self.source.digest:
            raise JobFailed(f"{self.source.path}: is not what {self._written.path} was begun with: {anew}")
        if found.options != self._options:
            raise JobFailed(f"{self._written.path} was begun with another task or other options: {anew}")
        if found.replies != self._replies:
            raise JobFailed(f"{self._written.path} was begun with replies on {found.replies}: {anew}")
        return found

    def _read_written(self) -> None:
        for number, line in self._written.lines():
            try:
                found = json.loads(line)
                its, reply = found["line"], found["reply"]
                if not isinstance(its, int) or not self.states.known(its) or not isinstance(reply, dict):
                    raise TypeError
            except (ValueError, KeyError, TypeError, RecursionError):
                raise JobFailed(f"{self._written.path}: line {number} is not of this job") from None
            if not self.states.is_answered(its):
                self.states.answer(its)
                self.tally.add(reply)


@contextmanager
def opened(laid: Laid, requests: Path, out: Path, replies: str) -> Iterator[Job]:
    """The job of these files, begun or not. Raises `JobFailed`."""
    notes_path = out.with_name(f"{out.name}.job")
    if requests.resolve() in (out.resolve(), notes_path.resolve()):
        raise JobFailed(f"{out}: the replies have to go to another file than the requests")
    _check(out, begun=_has_something(notes_path))
    source = Input(requests)
    with closing(Journal(notes_path)) as notes:
        # The beginning itself may have been cut off: then nothing was sent, and nothing written.
        _check(out, begun=_has_something(notes_path))
        with closing(Journal(out)) as written:
            yield Job(laid, source, notes, written, replies)


def _check(out: Path, *, begun: bool) -> None:
    if out.exists() and not out.is_file():
        raise JobFailed(f"{out}: is not a file")
    if not begun and _has_something(out):
        # What is not ours is not to be appended to, and never to be cut.
        raise JobFailed(f"{out}: is there already, and was not begun by this command: give another --out")


def _has_something(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _rows(lines: list[int]) -> list[tuple[int, int]]:
    """The first and the last of each row of numbers that follow one another."""
    breaks = [0, *(at for at, (one, next_) in enumerate(pairwise(lines), 1) if next_ != one + 1), len(lines)]
    return [(lines[start], lines[end - 1]) for start, end in pairwise(breaks) if end > start]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
