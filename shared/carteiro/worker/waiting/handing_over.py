"""What becomes of a request that is set aside: no reply yet, but a record for the service of waiting ones."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from carteiro.wire.record import OutgoingRecord, Record, place
from carteiro.wire.waiting import set_aside
from carteiro.worker.delivery.outcome import Outcome
from carteiro.worker.observing import metrics
from carteiro.worker.replying import Reply

log = structlog.get_logger("carteiro.worker")


class HandedOver(Outcome):
    """A request on its way to the topic `waiting`. `instead` makes the reply to one that the topic does not take, for
    the reason that it is given.
    """

    def __init__(self, record: Record, waiting: str, task: str, instead: Callable[[str], Reply]) -> None:
        self._request_id, self._task, self._instead = place(record), task, instead
        self._record = set_aside(record, waiting)
        self._reply: Reply | None = None

    @property
    def records(self) -> Sequence[OutgoingRecord]:
        return self._reply.records if self._reply else [self._record]

    @property
    def elsewhere(self) -> bool:
        # Its topic may be missing: that must not hold up live replies.
        return self._reply.elsewhere if self._reply else True

    def refused(self, record: OutgoingRecord, error: Exception) -> bool:
        """A topic with fewer partitions takes it in any of them; where one does not take it at all there is an error
        reply."""
        if self._reply is not None:
            return self._reply.refused(record, error)
        if isinstance(error, AssertionError) and self._record.partition is not None:
            self._record = replace(self._record, partition=None)
            return True
        log.error("a request cannot be set aside", request_id=self._request_id, reason=repr(error))
        self._reply = self._instead(type(error).__name__)
        self._reply.handed_over()
        return True

    def handed_over(self) -> None:
        """Nothing has to be known before it is delivered."""

    def delivered(self) -> None:
        if self._reply is not None:
            self._reply.delivered()
        else:
            metrics.of(metrics.SET_ASIDE, self._task).inc()
            log.info("set aside", task=self._task, request_id=self._request_id, topic=self._record.topic)
