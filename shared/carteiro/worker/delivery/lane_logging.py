"""Log events about changes to a partition's commit and its log that no worker made."""

from collections.abc import Mapping
from typing import Any

import structlog

from carteiro.worker.delivery.commit_validation import CommitOrigin, ValidatedCommit

log = structlog.get_logger("carteiro.delivery")


def log_commit_state(commit: ValidatedCommit, log_fields: Mapping[str, Any], *, keeps_metadata: bool) -> None:
    """Log the part of a commit that is not valid for its topic.

    `log_fields` names the partition. `keeps_metadata` is True if the broker is known to keep metadata.
    """
    if commit.origin is CommitOrigin.OLD_TOPIC:
        log.warning(
            "the topic was deleted and created again, so its commit is not valid; reading from the start",
            **log_fields,
            committed=commit.offset,
            log_start=commit.log.start,
        )
    elif commit.truncated:
        log.error(
            "the log was cut before the committed offset, for example by an unclean leader election: Kafka has lost "
            "requests; reading from the last offset that is known to be intact",
            **log_fields,
            committed=commit.offset,
            log_end=commit.log.end,
            reading_from=commit.ledger.committable,
        )
    elif commit.origin is CommitOrigin.EXTERNAL and keeps_metadata:
        log.info(
            "the committed offset was set by an operator or another program", **log_fields, committed=commit.offset
        )


def log_skipped_requests(requests: int, commit: ValidatedCommit, log_fields: Mapping[str, Any]) -> None:
    """Log the number of requests that retention has deleted before they were served."""
    if requests and commit.offset is not None:
        log.warning(
            "the log begins after the committed offset: the topic's retention has deleted requests that were not "
            "served; increase retention.ms or add workers",
            **log_fields,
            committed=commit.offset,
            log_start=commit.log.start,
            requests=requests,
        )


def log_invalidated_state(reason: str, in_flight: int, log_fields: Mapping[str, Any]) -> None:
    """Log that a lane discards its state and cancels its `in_flight` requests."""
    log.warning(
        "the state of the partition is not valid any more; requests in flight are cancelled",
        **log_fields,
        reason=reason,
        in_flight=in_flight,
    )
