"""Outcomes of a partition's requests that the broker has not confirmed yet."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import structlog
from aiokafka.errors import UnknownTopicOrPartitionError

from carteiro.wire.record import OutgoingRecord
from carteiro.worker.delivery.interface import CustomTopicsUnavailable, DeliveryTimeout
from carteiro.worker.delivery.outcome import Outcome
from carteiro.worker.delivery.transaction_size import TransactionSize
from carteiro.worker.delivery.unavailable_topics import UnavailableTopics

log = structlog.get_logger("carteiro.delivery")

_STALL_SECONDS = 0.5
"""Seconds without a confirmation after which the delivery counts as stalled.

Requests that start during a stall cost a second call if the worker crashes before it ends.
"""
_MAX_BLOCKED = 256
"""Maximum outcomes that wait for unavailable topics. Further outcomes get a fallback record at once."""
_MAX_TRANSACTION_SIZE = 1_000_000
_GATHER_SECONDS = 0.2
"""Time in which outcomes without hurry come together. It is well below `_STALL_SECONDS`."""
_MAX_GATHERED = 32


class UnconfirmedOutcomes:
    """Outcomes by the offsets of their requests. They outlive a failed delivery: the next delivery gets them all again.

    A caller's topic that is missing or has no leader must not delay other replies. The outcomes for it are blocked, and
    one of them is sent as a probe from time to time. After a while, each of them gets a fallback record instead.

    Outcomes without hurry are gathered for a moment, or go along with the next one that has it: a transaction of their
    own would hold up the replies after it. `max_gathered` is their number from which they are delivered at once.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_gathered: int = _MAX_GATHERED) -> None:
        self._clock, self._max_gathered = clock, min(max_gathered, _MAX_GATHERED)
        self._gathered = 0
        self._unconfirmed: dict[int, Outcome] = {}
        self._unsent: dict[int, None] = {}
        """Offsets of the outcomes to deliver, in the order of a dict's keys."""
        self._any_unsent = asyncio.Event()
        self._waiters: dict[int, asyncio.Future[None]] = {}
        self._unavailable_topics = UnavailableTopics()
        self._blocked: dict[int, str] = {}
        """Topics of the outcomes that wait for an unavailable topic, by offset."""
        self._transaction_size = TransactionSize(_MAX_TRANSACTION_SIZE)
        self._timer: asyncio.TimerHandle | None = None
        self._gathering: asyncio.TimerHandle | None = None
        self._progress_at = 0.0
        """Time of the latest confirmation, or of the first outcome after there were none."""
        self._closed = False

    def __len__(self) -> int:
        """Return the number of outcomes that are not confirmed."""
        return len(self._unconfirmed)

    @property
    def offsets(self) -> Sequence[int]:
        """Offsets of the requests whose outcomes are not confirmed."""
        return list(self._unconfirmed)

    @property
    def in_delivery(self) -> int:
        """Number of outcomes that are not confirmed and not blocked."""
        return len(self._unconfirmed) - len(self._blocked)

    @property
    def is_stalled(self) -> bool:
        """True if outcomes are in delivery and none was confirmed for a while."""
        return self.in_delivery > 0 and self._clock() - self._progress_at > _STALL_SECONDS

    def put(self, offset: int, outcome: Outcome) -> None:
        """Queue an outcome for delivery."""
        if self._closed:
            return
        if not self._unconfirmed:
            self._progress_at = self._clock()
        self._unconfirmed[offset] = outcome
        outcome.on_queued()
        self._queue(offset)

    def replace(self, offset: int, outcome: Outcome) -> None:
        """Replace an outcome that is in delivery, since a topic has rejected a record of it."""
        if offset in self._unconfirmed:
            self._unconfirmed[offset] = outcome
            outcome.on_queued()

    def requeue_all(self) -> None:
        """Queue all unconfirmed outcomes again, for a new delivery."""
        self._blocked.clear()
        self._unsent = dict.fromkeys(self._unconfirmed)
        self._any_unsent.set()

    async def next_groups(self, max_size: int) -> Sequence[Mapping[int, Outcome]]:
        """Wait for outcomes to deliver, and return the first of them, at most `max_size`, as a group.

        A probe of an unavailable topic is a group by itself. The other outcomes go with those that are queued until the
        next call, so that no group has only a few left.
        """
        while True:
            await self._any_unsent.wait()
            self._any_unsent.clear()
            self._end_gathering()
            now = self._clock()
            ready = self._take_ready(max(min(max_size, self._transaction_size.limit), 1), now)
            groups = [ready] if ready else []
            groups += [[offset] for offset in self._probes(now)]
            self._schedule_wakeup(now)
            if groups:
                return [{offset: self._unconfirmed[offset] for offset in each} for each in groups]

    def on_delivered(self, outcomes: Mapping[int, Outcome]) -> None:
        """Record that a group of outcomes was delivered."""
        self._transaction_size.on_success(len(outcomes))

    def on_failed(self, outcomes: Mapping[int, Outcome], error: Exception) -> bool:
        """Record that the delivery of some or all outcomes of a group failed. Return True if the delivery is usable."""
        if isinstance(error, DeliveryTimeout):
            by_topic: dict[str, dict[int, Exception]] = {}
            for offset, reason in error.custom_topic_errors.items():
                if (record := outcomes[offset].custom_record) is not None:
                    by_topic.setdefault(record.topic, {})[offset] = reason
            for topic, reasons in by_topic.items():
                self._on_topic_unavailable(topic, reasons)
            self._schedule_wakeup(self._clock())
            if isinstance(error, CustomTopicsUnavailable):
                return True
        if isinstance(error, TimeoutError) and not getattr(error, "custom_topic_errors", None):
            self._transaction_size.on_timeout(len(outcomes))
        return False

    def mark_blocked(self, offset: int) -> None:
        """Mark an outcome blocked. Its delivery keeps retrying, and the outcome does not count as in delivery."""
        if (outcome := self._unconfirmed.get(offset)) is not None and outcome.custom_record is not None:
            self._blocked[offset] = outcome.custom_record.topic

    def fall_back_blocked(self) -> None:
        """Give the blocked outcomes a fallback record, since their partition is about to be released."""
        for offset in list(self._blocked):
            self._fall_back(offset, TimeoutError("the topic did not take it in time"))

    def confirm(self, offset: int) -> bool:
        """Remove an outcome that the broker has acknowledged. Return False if it is not there any more.

        It is not there if it was sent twice and the first copy was confirmed, or if another worker owns the partition.
        """
        if (outcome := self._unconfirmed.pop(offset, None)) is None:
            return False
        self._unsent.pop(offset, None)
        self._blocked.pop(offset, None)
        if (record := outcome.custom_record) is not None and self._unavailable_topics.on_success(record.topic):
            self._unblock(record.topic)
        if (waiter := self._waiters.get(offset)) is not None and not waiter.done():
            waiter.set_result(None)
        self._progress_at = self._clock()
        return True

    async def put_and_wait(self, offset: int, outcome: Outcome) -> None:
        """Queue an outcome for delivery, and wait until it is confirmed."""
        confirmed = self._waiters[offset] = asyncio.get_running_loop().create_future()
        try:
            self.put(offset, outcome)
            await confirmed
        finally:
            self._waiters.pop(offset, None)

    def drop_finished(self, is_finished: Callable[[int], bool]) -> None:
        """Drop the outcomes of requests that another owner has finished."""
        for offset in filter(is_finished, self.offsets):
            self._blocked.pop(offset, None)
            self._unsent.pop(offset, None)
            self._unconfirmed.pop(offset).on_acknowledged()

    def close(self) -> None:
        """Drop all outcomes and accept no more, since another worker owns the partition."""
        self._closed = True
        self._end_gathering()
        if self._timer is not None:
            self._timer.cancel()
        for outcomes in (self._unconfirmed, self._unsent, self._blocked):
            outcomes.clear()

    def _take_ready(self, max_size: int, now: float) -> list[int]:
        """Return the offsets of the first outcomes to deliver, at most `max_size`. The others stay queued."""
        ready: list[int] = []
        for offset in list(self._unsent):
            if len(ready) == max_size:
                self._any_unsent.set()
                break
            del self._unsent[offset]
            if not self._block_if_unavailable(offset, now):
                ready.append(offset)
        return ready

    def _block_if_unavailable(self, offset: int, now: float) -> bool:
        """Return True if an outcome must not be sent now, since its topic is unavailable."""
        record = self._unconfirmed[offset].custom_record
        if record is None or record.topic not in self._unavailable_topics:
            return False
        if self._unavailable_topics.is_given_up(record.topic, now) or len(self._blocked) >= _MAX_BLOCKED:
            return not self._replace(offset, record, TimeoutError("the topic did not take it in time"))
        self._blocked[offset] = record.topic
        return True

    def _probes(self, now: float) -> list[int]:
        self._unavailable_topics.retain(set(self._blocked.values()))
        first = {topic: offset for offset, topic in reversed(self._blocked.items())}
        return [first[topic] for topic in self._unavailable_topics.due(now) if topic in first]

    def _on_topic_unavailable(self, topic: str, reasons: Mapping[int, Exception]) -> None:
        """Block the outcomes for a topic that takes no records, or give them a fallback record if it is given up."""
        now = self._clock()
        gone = any(isinstance(reason, UnknownTopicOrPartitionError) for reason in reasons.values())
        if topic not in self._unavailable_topics:
            log.warning("a topic takes no records; the outcomes for it wait", topic=topic, gone=gone)
        given_up = self._unavailable_topics.on_failure(topic, now, missing=gone)
        reason = next(iter(reasons.values()))
        blocked = [
            offset
            for offset, blocked_topic in self._blocked.items()
            if blocked_topic == topic and offset not in reasons
        ]
        for offset in filter(self._unconfirmed.__contains__, [*blocked, *reasons]):
            if given_up or (offset not in self._blocked and len(self._blocked) >= _MAX_BLOCKED):
                self._fall_back(offset, reason)
            else:
                self._blocked[offset] = topic

    def _fall_back(self, offset: int, reason: Exception) -> None:
        """Replace an outcome whose caller's topic takes no records, and queue the replacement."""
        record = self._unconfirmed[offset].custom_record
        self._blocked.pop(offset, None)
        if record is None or self._replace(offset, record, reason):
            self._queue(offset)

    def _replace(self, offset: int, record: OutgoingRecord, reason: Exception) -> bool:
        """Replace an outcome. Return False if there is no replacement."""
        if (replacement := self._unconfirmed[offset].fall_back(record, reason)) is None:
            return False
        self.replace(offset, replacement)
        return True

    def _queue(self, offset: int) -> None:
        self._unsent[offset] = None
        self._gathered += 1
        if not self._unconfirmed[offset].can_wait or self._gathered >= self._max_gathered:
            self._any_unsent.set()
        elif self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(_GATHER_SECONDS, self._any_unsent.set)

    def _end_gathering(self) -> None:
        self._gathered = 0
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None

    def _unblock(self, topic: str) -> None:
        for offset in [each for each, blocked_topic in self._blocked.items() if blocked_topic == topic]:
            del self._blocked[offset]
            self._queue(offset)

    def _schedule_wakeup(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        seconds = self._unavailable_topics.seconds_to_next_try(now)
        if seconds is not None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._any_unsent.set)
