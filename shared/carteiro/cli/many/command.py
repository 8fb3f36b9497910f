"""`carteiro ask --jsonl`, from its options to its exit code."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from carteiro.cli.composing import Laid
from carteiro.cli.failing import EXIT_ERROR_REPLY, EXIT_INTERRUPTED, EXIT_TIMEOUT, EXIT_USAGE, fail
from carteiro.cli.json_lines import print_json
from carteiro.cli.kafka import Kafka, KafkaFailed, settings, with_kafka
from carteiro.cli.many.exchange import NoReplies, Terms, exchange
from carteiro.cli.many.job import Job, opened
from carteiro.cli.many.journal import JobFailed
from carteiro.cli.many.progress import standing, tell, watched
from carteiro.client.limits import limits
from carteiro.schemas import Options
from carteiro.worker.settings import KafkaSettings

_SILENCE_SECONDS = 300.0
_GO_ON = "run the same command again to go on"


def ask_many(laid: Laid, requests: Path, out: Path, *, timeout: float | None, in_flight: int, as_json: bool) -> None:
    """Ask what is in the file `requests`, write the replies to `out`, and tell in a line, or as
    JSON, what they come to.

    A run goes on where the one before it ended, however it did. `timeout`, in seconds, is each request's deadline, and
    how long the command waits without any reply. `in_flight` is how many
    requests may be without a reply at once, where none says that it can wait.
    """
    given = settings()
    patience = Options(**laid.options).patience
    try:
        with opened(laid, requests, out, given.topics.replies(laid.task)) as job:
            if not job.states.answered_all:
                _run(given, job, _terms(patience, timeout, in_flight))
            if as_json:
                print_json(job.tally.plain())
            else:
                print(job.tally.summary())
    except JobFailed as error:
        fail(str(error), EXIT_USAGE)
    if job.tally.failed:
        raise SystemExit(EXIT_ERROR_REPLY)


def _run(given: KafkaSettings, job: Job, terms: Terms) -> None:
    if job.beginning:
        tell(f"going on: {standing(job)}")
    try:
        with watched(job) as show:
            with_kafka(given, lambda kafka: _exchange(kafka, job, terms, show))
    except NoReplies as error:
        fail(f"{error}; {standing(job)}; {_GO_ON}", EXIT_TIMEOUT)
    except KeyboardInterrupt:
        fail(f"stopped: {standing(job)}; {_GO_ON}", EXIT_INTERRUPTED)


async def _exchange(kafka: Kafka, job: Job, terms: Terms, show: Callable[[], None]) -> None:
    try:
        await exchange(kafka, job, terms, show)
    except KafkaFailed as error:
        raise KafkaFailed(f"{error}; {standing(job)}; {_GO_ON}") from error


def _terms(patience: timedelta | None, timeout: float | None, in_flight: int) -> Terms:
    silence, _ = limits(patience, timeout, _SILENCE_SECONDS)
    # Without a deadline of its own a request may stand in line as long as the lines before it take.
    return Terms(None if patience else in_flight, silence, timeout)
