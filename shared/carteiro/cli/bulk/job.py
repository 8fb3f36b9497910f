"""A job: a file of requests that is turned into a file of replies.

Next to the file of replies is the job's own file of the same name with `.job`. Its first line describes the job and the
offsets at which its replies begin; it is on the disk before anything is sent. Each further line holds the lines of the
input that Kafka has confirmed. A job that was killed resumes from there: it sends the unrecorded lines, reads all
replies since its beginning, and writes the missing ones. A line that was sent but not recorded is sent again, under the
same idempotency key.
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

from carteiro.cli.bulk.input_file import InputFile
from carteiro.cli.bulk.journal import JobFailed, Journal
from carteiro.cli.bulk.summary import JobSummary
from carteiro.cli.request_options import RequestDefaults


class JobHeader(BaseModel):
    """The first line of a job's file."""

    job: str
    """Beginning of the correlation ids of its requests."""
    input: str
    """SHA-256 of the file of requests."""
    options: str
    """SHA-256 of the task and of the options that apply to every request."""
    replies: str
    """The topic of the replies."""
    offsets: dict[int, int]
    """Offsets at which the replies begin, by partition."""


class _SentLines(BaseModel):
    sent: list[tuple[int, int]]
    """The first and the last line of each range of lines."""


class BulkJob:
    """An open job, with exclusive access to its files."""

    def __init__(
        self, defaults: RequestDefaults, source: InputFile, journal: Journal, output: Journal, replies: str
    ) -> None:
        """`replies` is the topic of its replies. Raise `JobFailed` if the files belong to another job."""
        self.defaults = defaults
        self.source = source
        self.states = source.states
        self.summary = JobSummary()
        self.header: JobHeader | None = None
        """None until the job has begun."""
        self._journal = journal
        self._output = output
        self._replies = replies
        self._options_digest = _digest([defaults.task, defaults.fields, defaults.options, defaults.system])
        self._replay_journal()
        self._replay_output()

    def start(self, offsets: dict[int, int]) -> JobHeader:
        """Record the offsets at which the replies begin. No request may be sent before."""
        beginning = JobHeader(
            job=uuid.uuid4().hex,
            input=self.source.digest,
            options=self._options_digest,
            replies=self._replies,
            offsets=offsets,
        )
        self._journal.append(beginning.model_dump_json().encode(), durable=True)
        self.header = beginning
        return beginning

    def correlation_id(self, line: int) -> bytes:
        """Return the id that a line's request and its reply share; it is also the request's idempotency key."""
        assert self.header
        return f"{self.header.job}-{line}".encode()

    def line_of(self, correlation_id: bytes) -> int | None:
        """Return the line that a reply belongs to; None if the reply is not for this job."""
        assert self.header
        job, _, line = correlation_id.rpartition(b"-")
        if job != self.header.job.encode() or not line.isdigit() or len(line) > 18:
            return None
        return int(line) if self.states.has_line(int(line)) else None

    def mark_sent(self, lines: Iterable[int]) -> None:
        """Mark lines that Kafka has confirmed."""
        lines = sorted(lines)
        self._journal.append(_SentLines(sent=_ranges(lines)).model_dump_json().encode())
        for line in lines:
            self.states.mark_sent(line)

    def record_reply(self, line: int, reply: dict[str, Any]) -> None:
        """Write a line's reply, unless it has one."""
        if self.states.is_answered(line):
            return
        written = json.dumps({"line": line, "reply": reply}, ensure_ascii=False)
        # Half of a surrogate pair is no character, but JSON has an escape for it: Python writes the same escape.
        self._output.append(written.encode("utf-8", "backslashreplace"))
        self.states.mark_answered(line)
        self.summary.add(reply)

    def _replay_journal(self) -> None:
        for number, line in self._journal.lines():
            try:
                if number == 1:
                    self.header = self._validate_header(JobHeader.model_validate_json(line))
                    continue
                for first, last in _SentLines.model_validate_json(line).sent:
                    if not self.states.has_line(first) or not self.states.has_line(last):
                        raise ValueError
                    for each in range(first, last + 1):
                        self.states.mark_sent(each)
            except ValueError:
                raise JobFailed(f"{self._journal.path}: line {number} is not a line of a job") from None

    def _validate_header(self, found: JobHeader) -> JobHeader:
        advice = f"give another --out, or remove {self._output.path} and {self._journal.path} to start again"
        if found.input != self.source.digest:
            raise JobFailed(f"{self.source.path}: is not what {self._output.path} was begun with: {advice}")
        if found.options != self._options_digest:
            raise JobFailed(f"{self._output.path} was begun with another task or other options: {advice}")
        if found.replies != self._replies:
            raise JobFailed(f"{self._output.path} was begun with replies on {found.replies}: {advice}")
        return found

    def _replay_output(self) -> None:
        for number, line in self._output.lines():
            try:
                found = json.loads(line)
                its, reply = found["line"], found["reply"]
                if not isinstance(its, int) or not self.states.has_line(its) or not isinstance(reply, dict):
                    raise TypeError
            except (ValueError, KeyError, TypeError, RecursionError):
                raise JobFailed(f"{self._output.path}: line {number} does not belong to this job") from None
            if not self.states.is_answered(its):
                self.states.mark_answered(its)
                self.summary.add(reply)


@contextmanager
def open_job(defaults: RequestDefaults, requests: Path, out: Path, replies: str) -> Iterator[BulkJob]:
    """Open the job of these files, new or begun. Raise `JobFailed` if that is not possible."""
    notes_path = out.with_name(f"{out.name}.job")
    if requests.resolve() in (out.resolve(), notes_path.resolve()):
        raise JobFailed(f"{out}: the replies have to go to another file than the requests")
    _check_output(out, begun=_is_not_empty(notes_path))
    source = InputFile(requests)
    with closing(Journal(notes_path)) as notes:
        # The first line itself may have been cut off: then nothing was sent, and nothing written.
        _check_output(out, begun=_is_not_empty(notes_path))
        with closing(Journal(out)) as written:
            yield BulkJob(defaults, source, notes, written, replies)


def _check_output(out: Path, *, begun: bool) -> None:
    if out.exists() and not out.is_file():
        raise JobFailed(f"{out}: is not a file")
    if not begun and _is_not_empty(out):
        # A file of another program must not be extended, and never cut.
        raise JobFailed(f"{out}: is there already, and was not begun by this command: give another --out")


def _is_not_empty(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _ranges(lines: list[int]) -> list[tuple[int, int]]:
    """Return the first and the last number of each range of consecutive numbers."""
    breaks = [0, *(at for at, (one, next_) in enumerate(pairwise(lines), 1) if next_ != one + 1), len(lines)]
    return [(lines[start], lines[end - 1]) for start, end in pairwise(breaks) if end > start]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
