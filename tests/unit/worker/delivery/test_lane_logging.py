"""Changes of a commit or a log that no worker made are logged, and nothing else is."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from carteiro.ledger.ledger import Ledger
from carteiro.worker.delivery.commit_validation import CommitOrigin, LogBounds, ValidatedCommit
from carteiro.worker.delivery.lane_logging import log_commit_state, log_invalidated_state, log_skipped_requests
from tests.unit.worker.delivery.test_partition_state import CURRENT_TOPIC

FIELDS = {"topic": "t", "partition": 0}


def commit_from(origin: CommitOrigin, **more: Any) -> ValidatedCommit:
    return ValidatedCommit(Ledger(5), LogBounds(2, 9), CURRENT_TOPIC, origin=origin, offset=5, **more)


@pytest.mark.parametrize(
    ("commit", "keeps_metadata", "level", "event"),
    [
        (commit_from(CommitOrigin.OLD_TOPIC), True, "warning", "deleted and created again"),
        (commit_from(CommitOrigin.WORKER, truncated=True), True, "error", "Kafka has lost requests"),
        (commit_from(CommitOrigin.EXTERNAL), True, "info", "operator"),
    ],
    ids=["recreated topic", "cut log", "reset group"],
)
def test_commit_that_is_not_valid_is_logged(
    commit: ValidatedCommit, keeps_metadata: bool, level: str, event: str
) -> None:
    with capture_logs() as logs:
        log_commit_state(commit, FIELDS, keeps_metadata=keeps_metadata)
    assert [(each["log_level"], each["topic"], each["committed"]) for each in logs] == [(level, "t", 5)]
    assert event in logs[0]["event"]


@pytest.mark.parametrize(
    ("commit", "keeps_metadata"),
    [
        (commit_from(CommitOrigin.WORKER), True),
        (commit_from(CommitOrigin.NONE), True),
        (commit_from(CommitOrigin.EXTERNAL), False),
    ],
    ids=["worker", "nothing committed", "broker without metadata"],
)
def test_ordinary_commit_is_not_logged(commit: ValidatedCommit, keeps_metadata: bool) -> None:
    with capture_logs() as logs:
        log_commit_state(commit, FIELDS, keeps_metadata=keeps_metadata)
    assert logs == []


def test_deleted_requests_are_counted_only_after_a_commit() -> None:
    with capture_logs() as logs:
        log_skipped_requests(0, commit_from(CommitOrigin.WORKER), FIELDS)
        log_skipped_requests(3, ValidatedCommit(Ledger(5), LogBounds(5), CURRENT_TOPIC), FIELDS)
        log_skipped_requests(3, commit_from(CommitOrigin.WORKER), FIELDS)
    assert [(each["requests"], each["log_start"]) for each in logs] == [(3, 2)]


def test_invalid_state_is_logged_with_its_reason() -> None:
    with capture_logs() as logs:
        log_invalidated_state("the log was cut", 4, FIELDS)
    assert [(each["reason"], each["in_flight"]) for each in logs] == [("the log was cut", 4)]
