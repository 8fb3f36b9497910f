"""`carteiro ask --jsonl`, from its options to its exit code."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from carteiro.cli.bulk.exchange import JobLimits, NoReplies, exchange
from carteiro.cli.bulk.job import BulkJob, open_job
from carteiro.cli.bulk.journal import JobFailed
from carteiro.cli.bulk.progress import print_status, progress_display, progress_line
from carteiro.cli.exit_codes import EXIT_ERROR_REPLY, EXIT_INTERRUPTED, EXIT_TIMEOUT, EXIT_USAGE, exit_with
from carteiro.cli.json_lines import print_json
from carteiro.cli.kafka import KafkaFailed, KafkaSession, read_kafka_settings, with_kafka
from carteiro.cli.request_options import RequestDefaults
from carteiro.client.timeouts import call_timeouts
from carteiro.schemas import Options
from carteiro.settings.kafka import KafkaSettings

_STALL_SECONDS = 300.0
_RESUME_HINT = "run the same command again to go on"


def run_bulk_job(
    defaults: RequestDefaults, requests: Path, out: Path, *, timeout: float | None, max_in_flight: int, as_json: bool
) -> None:
    """Send the requests in the file `requests`, write the replies to `out`, and print a summary as a line or as JSON.

    A run resumes at the end of the last run, even after a crash. `timeout` in seconds is each request's
    deadline, and the time that the command waits without any reply. `max_in_flight` is the maximum number of requests
    without a reply at once, if they have no `wait` option.
    """
    given = read_kafka_settings()
    patience = Options(**defaults.options).patience
    try:
        with open_job(defaults, requests, out, given.topics.replies(defaults.task)) as job:
            if not job.states.all_answered:
                _run(given, job, _job_limits(patience, timeout, max_in_flight))
            if as_json:
                print_json(job.summary.as_dict())
            else:
                print(job.summary.one_line())
    except JobFailed as error:
        exit_with(str(error), EXIT_USAGE)
    if job.summary.failed:
        raise SystemExit(EXIT_ERROR_REPLY)


def _run(settings: KafkaSettings, job: BulkJob, limits: JobLimits) -> None:
    if job.header:
        print_status(f"going on: {progress_line(job)}")
    try:
        with progress_display(job) as show:
            with_kafka(settings, lambda kafka: _exchange(kafka, job, limits, show))
    except NoReplies as error:
        exit_with(f"{error}; {progress_line(job)}; {_RESUME_HINT}", EXIT_TIMEOUT)
    except KeyboardInterrupt:
        exit_with(f"stopped: {progress_line(job)}; {_RESUME_HINT}", EXIT_INTERRUPTED)


async def _exchange(kafka: KafkaSession, job: BulkJob, limits: JobLimits, show_progress: Callable[[], None]) -> None:
    try:
        await exchange(kafka, job, limits, show_progress)
    except KafkaFailed as error:
        raise KafkaFailed(f"{error}; {progress_line(job)}; {_RESUME_HINT}") from error


def _job_limits(patience: timedelta | None, timeout: float | None, max_in_flight: int) -> JobLimits:
    silence, _ = call_timeouts(patience, timeout, _STALL_SECONDS)
    # Without its own deadline a request may stay queued for as long as the lines before it take.
    return JobLimits(None if patience else max_in_flight, silence, timeout)
