"""A partition that is served: its window, its ledger, and the way its replies take."""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, ProducerFenced

from carteiro.wire.record import OutgoingRecord, Record
from carteiro.worker.delivery import group
from carteiro.worker.delivery.courier import Delivering, Undelivered
from carteiro.worker.delivery.ledger import Ledger
from carteiro.worker.delivery.outbox import Outbox
from carteiro.worker.delivery.outcome import Outcome
from carteiro.worker.delivery.quarantine import Cohort
from carteiro.worker.delivery.service import Service
from carteiro.worker.delivery.suspects import DEATHS, Suspects
from carteiro.worker.delivery.window import Window
from carteiro.worker.observing import metrics

log = structlog.get_logger("carteiro.delivery")

_WINDOWS = 2
"""How many windows may be in flight: one that runs, and one that is finished and not yet confirmed, so that short
requests keep the window full while replies are under way. What is in flight is paid again if the worker dies."""
_COHORTS = 4
"""Into how many groups a window of suspects is divided. Each waits for the one before."""
_LONGEST_PAUSE = 10.0
_COMMIT_PAUSE = 0.5
_ASK_SECONDS = 1.0
_PARKED_SECONDS = 1.0

PROCESS = random.SystemRandom().getrandbits(32) or 1
"""Tells this process from the one that owned a partition before it."""


class Lane(Delivering):
    """Serves one partition for as long as it is assigned, through any failure of its courier.

    What runs, and what has been finished and is not yet confirmed, outlives the courier, and a rebalance that
    leaves the partition here: no request is served again because of either.
    """

    def __init__(self, partition: TopicPartition, consumer: AIOKafkaConsumer, service: Service) -> None:
        self.partition, self.consumer, self.group = partition, consumer, service.group
        self.ledger, self.suspects = Ledger(), Suspects()
        self._service = service
        self._window = Window(service.window, self.ledger.take, by_key=service.by_key)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._outbox = Outbox()
        self._quiet = asyncio.Event()
        self._cohort: Cohort | None = None
        """The group of suspects that the next one may join."""
        self._reading = False
        """Whether the partition's records are read, from where the ledger wants them."""
        self._open = False
        """Whether there is a courier, so that requests may begin."""
        self._owned = False
        """Whether what is committed is known here, and says that the partition is ours."""
        self._leaving = False
        """Whether the partition is about to be given back."""
        self._preparing = False
        self._closed = False
        self._paused = True
        self._courier = service.courier(self)
        self._life: asyncio.Task[None] | None = None
        self._read_to = 0
        """The offset after the last record that was accepted."""
        self._moved_at = time.monotonic()
        """When something last went forward."""
        self._rebuilding_at = 0.0
        self._rebuilt_for = 0.0
        self.rebuilt_in_vain = False

    @property
    def in_flight(self) -> int:
        """Requests that run, or whose outcome is not yet confirmed."""
        return len(self._tasks) + len(self._outbox)

    @property
    def _has_room(self) -> bool:
        """Whether one more request may be in flight. While replies do not get through, no more than a window are."""
        return self.in_flight < self._service.window * (1 if self._outbox.stuck else _WINDOWS)

    @property
    def is_open(self) -> bool:
        return self._open

    def assigned(self) -> None:
        """The partition is ours, or ours again. It is paused until the lane is open."""
        self.consumer.pause(self.partition)
        self._paused, self._leaving = True, False
        self._life = asyncio.create_task(self._live())

    def accept(self, records: Sequence[Record]) -> None:
        """Records of the partition were read."""
        if not self._reading:
            return  # read before the lane was open: it goes back to the first unfinished one anyway
        self._window.add(records)
        self._read_to = records[-1].offset + 1
        self._moved_at = time.monotonic()
        self.fill()

    def fill(self) -> None:
        """Begin what may begin, and read on where there is room."""
        if self._closed:
            return  # another lane may have the partition by now
        while (
            self._open
            and not self._leaving
            and self._service.may_begin()
            and self._has_room
            and self.ledger.taken < self._service.most_open
            and (record := self._window.next()) is not None
        ):
            suspected = self.suspects.suspected(record.offset)
            self._window.aside += suspected
            serving = self._serve_suspect(record, self._cohort_of(record)) if suspected else self._serve(record)
            self._tasks[record.offset] = asyncio.create_task(serving)
        self._pause_or_resume()

    def confirm(self, offset: int, outcome: Outcome) -> bool:
        if not self._outbox.confirm(offset):
            return False
        self.ledger.finish(offset)
        self.suspects.forget(self.ledger)
        self._moved_at = time.monotonic()
        outcome.delivered()
        self.fill()
        self._tell_if_quiet()
        return True

    def kept(self, ledger: Ledger) -> Sequence[OutgoingRecord]:
        kept = self._service.kept
        return kept(self.partition.partition, ledger) if kept else ()

    async def revoke(self, seconds: float) -> None:
        """The partition is to be given back: begin nothing, finish what runs within that time, and commit."""
        self._leaving, self._reading = True, False
        self._window.clear()
        self._quiet.clear()
        self._tell_if_quiet()
        # Requests of a parked model wait for it, for hours maybe: the next owner's can do so as well.
        patient = self._service.may_begin() and not self._service.resumes
        patience = seconds if patient else min(seconds, _PARKED_SECONDS)
        try:
            async with asyncio.timeout(patience):
                await self._quiet.wait()
        except TimeoutError:
            if patient:
                log.warning("not all requests in flight could be finished", **self.where, in_flight=self.in_flight)
        if self._owned:
            self.suspects.give_back(self.ledger)
            try:
                async with asyncio.timeout(min(seconds, 5.0)):
                    await self._courier.commit()
            except Exception as error:  # noqa: BLE001  # the next owner makes do with the last commit
                log.warning("could not commit before giving the partition back", **self.where, reason=repr(error))
        await self.suspend()

    async def suspend(self) -> None:
        """Deliver nothing more, for now. What runs goes on."""
        self._open = self._reading = self._owned = False
        self._window.clear()
        life, self._life = self._life, None
        if life is not None:
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)

    async def close(self) -> None:
        """The partition is somebody else's: stop what runs, for its replies are not ours to give."""
        self._closed = True
        self._service.forget(self.partition.partition)
        await self.suspend()
        self._outbox.close()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def rebuild(self) -> None:
        if self._life is not None:
            self._open = False
            self._life.cancel()
            self._rebuilding_at = time.monotonic()
            self.rebuilt_in_vain = self._rebuilt_for == self._moved_at
            self._rebuilt_for = self._moved_at
            self._life = asyncio.create_task(self._live(after=self._life))

    def stands_still_since(self, limit: float) -> bool:
        """Whether nothing has gone forward since then (by `time.monotonic`) although something could have."""
        if self._life is None or self._preparing or max(self._moved_at, self._rebuilding_at) > limit:
            return False
        return not self._open or bool(self._outbox)

    def read_again(self) -> None:
        """Read on from after the last record that was accepted."""
        if self._reading and self.partition in self.consumer.assignment():
            self.consumer.seek(self.partition, self._read_to)

    def skip(self, offset: int) -> None:
        """The record at that offset cannot be read: read on behind it."""
        self._read_to = max(self._read_to, offset + 1)
        self.read_again()

    @property
    def where(self) -> dict[str, Any]:
        """The partition, as logs name it."""
        return {"topic": self.partition.topic, "partition": self.partition.partition}

    async def _live(self, after: asyncio.Task[None] | None = None) -> None:
        """Open the lane and deliver, again after every failure, until cancelled."""
        if after is not None:
            await asyncio.gather(after, return_exceptions=True)
        failed: Exception | None = None
        failures = 0
        while True:
            try:
                while isinstance(failed, ProducerFenced) and not await group.is_member(self.consumer):  # noqa: ASYNC110
                    # Whether another worker has the partition only the group can say: a broker that was restarted
                    # may fence a producer that has no rival. One that is not a member joins again by having asked.
                    await asyncio.sleep(_ASK_SECONDS)
                await self._open_courier()
                failures = 0
                await self._deliver()
            except Exception as error:  # noqa: BLE001  # whatever it is, a lane that stands still is worse
                failed = error
            finally:
                self._open = False
                await asyncio.shield(self._courier.close())
            metrics.LANE_FAILURES.labels(self.partition.topic).inc()
            log.warning("a partition's delivery failed; building it anew", **self.where, reason=repr(failed))
            failures += 1
            await asyncio.sleep(random.uniform(0, min(0.1 * 2**failures, _LONGEST_PAUSE)))  # noqa: S311

    async def _open_courier(self) -> None:
        """Fence earlier owners off, learn what is done, own the partition, and begin."""
        self._courier = self._service.courier(self)
        await self._courier.open()
        ledger, suspects = await group.committed(self.consumer, self.partition, stable=self._courier.transactional)
        self.ledger.merge(ledger)
        if not self._owned:
            await self._prepare()
        self._drop_finished()
        if not self._owned:
            if not self.ledger.end:
                self.ledger.merge(Ledger(await self.consumer.position(self.partition)))
            if self._leaving:
                await asyncio.Event().wait()  # a partition that is given back again is not taken over
            self.suspects, self._owned = Suspects() if self._service.resumes else suspects, True
            if not self._service.resumes and suspects.take_over(PROCESS, self.ledger, self._service.window * _WINDOWS):
                log.warning("the partition's last owner died; its requests in flight are served again", **self.where)
        await self._courier.commit()
        if not self._reading and not self._leaving:
            self.ledger.rewind([*self._tasks, *self._outbox.offsets])
            self._read_to = self.ledger.low
            self.consumer.seek(self.partition, self._read_to)
            self._reading = True
            self._moved_at = time.monotonic()
        self._outbox.send_again()
        self._open = True
        self.fill()

    async def _prepare(self) -> None:
        self._preparing = True
        try:
            if (ledger := await self._service.prepare(self.partition.partition)) is not None:
                self.ledger.merge(ledger)
        finally:
            self._preparing = False

    async def _deliver(self) -> None:
        while True:
            for outcomes in await self._outbox.next(self._service.at_once):
                try:
                    await self._courier.deliver(outcomes)
                except Undelivered as error:
                    self._outbox.late(outcomes, error)
                    raise

    def _drop_finished(self) -> None:
        """Another owner has finished some of our requests: theirs are the replies that count."""
        for offset in [each for each in self._tasks if self.ledger.finished(each)]:
            self._tasks[offset].cancel()
        self._outbox.drop(self.ledger.finished)
        self._tell_if_quiet()

    async def _serve(self, record: Record) -> None:
        try:
            await self._service.quarantine.enter()
            try:
                outcome = await self._service.serve(record)
            finally:
                self._service.quarantine.leave()
        finally:
            self._ended(record.offset)
        self._outbox.put(record.offset, outcome)
        self.fill()

    def _cohort_of(self, record: Record) -> Cohort:
        offset, quarantine = record.offset, self._service.quarantine
        if self.suspects.must_be_alone(offset):
            cohort = Cohort(quarantine, 1, self._begin_alone)
        elif self._cohort is not None and self._cohort.join(offset):
            return self._cohort
        else:
            most = max(self._service.window // _COHORTS, 1)
            cohort = self._cohort = Cohort(quarantine, most, self._begin_together)
        cohort.join(offset)
        return cohort

    async def _begin_alone(self, offset: int) -> None:
        if not self.suspects.condemned(offset):
            self.suspects.begin_alone(offset)
            await self._commit_surely()

    async def _begin_together(self, last: int) -> None:
        self.suspects.begin_together(last)
        await self._commit_surely()

    async def _serve_suspect(self, record: Record, cohort: Cohort) -> None:
        offset = record.offset
        condemned = self.suspects.condemned(offset)  # of its deaths so far: not the one that it may be about to die
        try:
            async with cohort.member(offset):
                outcome = await (self._service.condemn(record, DEATHS) if condemned else self._service.serve(record))
                # The next suspect may end the process: this one's outcome has to be safe by then.
                await self._outbox.put_and_wait(offset, outcome)
        finally:
            self._window.aside -= 1
            self._ended(offset)
        self.fill()
        self._tell_if_quiet()

    def _ended(self, offset: int) -> None:
        del self._tasks[offset]
        self._window.done(offset)
        self._moved_at = time.monotonic()

    async def _commit_surely(self) -> None:
        while True:
            try:
                return await self._courier.commit()
            except Exception as error:  # noqa: BLE001  # the lane is being built anew: its next courier may do it
                log.debug("a commit has to be tried again", **self.where, reason=repr(error))
                await asyncio.sleep(_COMMIT_PAUSE)

    def _pause_or_resume(self) -> None:
        paused = not self._reading or self._window.buffered > self._service.window
        if paused == self._paused:
            return
        try:
            (self.consumer.pause if paused else self.consumer.resume)(self.partition)
        except IllegalStateError:
            return  # taken away this moment; whoever told the consumer tells the lane
        self._paused = paused

    def _tell_if_quiet(self) -> None:
        if not self._tasks and not self._outbox:
            self._quiet.set()
