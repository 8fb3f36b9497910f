"""Sending the lines of a job, and noting which of them Kafka has confirmed."""

import asyncio
from functools import partial
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from carteiro.cli.kafka import KafkaFailed
from carteiro.cli.many.job import Job
from carteiro.cli.many.lines import local_error, read_line
from carteiro.client.limits import timeout_header
from carteiro.schemas import ChatRequest, ErrorDetail, Request
from carteiro.wire.record import OutgoingRecord
from carteiro.worker.delivery.outcome import TOO_LARGE
from carteiro.worker.delivery.producers import send
from carteiro.worker.intake import Rejected

_MOST_UNCONFIRMED = 1000


class Sending:
    """The sending of what is unsent."""

    def __init__(
        self, job: Job, producer: AIOKafkaProducer, topic: str, *, in_flight: int | None, timeout: float | None
    ) -> None:
        """`in_flight` is how many requests may be without a reply, `timeout` each one's deadline in seconds."""
        self._job = job
        self._producer = producer
        self._topic = topic
        self._in_flight = in_flight
        self._headers = [] if timeout is None else [timeout_header(timeout)]
        self._partitions: list[int] = []
        self._unconfirmed = 0
        self._confirmed: list[int] = []
        self._refused: list[tuple[int, BaseException]] = []
        self._failed: BaseException | None = None
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Send them all, and wait until Kafka has them. Raises `KafkaFailed` and `JobFailed`."""
        self._partitions = sorted(await self._producer.partitions_for(self._topic))
        for line, written in self._job.source.unsent():
            # Others have to get their turn, however fast lines are taken in.
            await asyncio.sleep(0)
            try:
                request = read_line(written, self._job.laid)
            except Rejected as rejected:
                self._job.answer(line, local_error(rejected.error))
                continue
            await self._room()
            if self._job.states.unsent(line):
                await self._send(line, request)
        while self._unconfirmed:
            await self._change()
        self._settle()

    def note(self) -> None:
        """Note what has been confirmed. Raises `JobFailed`."""
        if self._confirmed:
            confirmed, self._confirmed = self._confirmed, []
            self._job.sent(confirmed)

    def wake(self) -> None:
        """Replies have come: there may be room for more requests."""
        self._changed.set()

    def _settle(self) -> None:
        self.note()
        while self._refused:
            line, error = self._refused.pop()
            self._refuse(line, error)
        if self._failed:
            raise KafkaFailed(f"cannot send to {self._topic}: {self._failed!r}")

    async def _room(self) -> None:
        self._settle()
        while self._unconfirmed >= _MOST_UNCONFIRMED or (
            self._in_flight is not None and self._job.states.open + self._unconfirmed >= self._in_flight
        ):
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
        self._settle()

    async def _send(self, line: int, request: Request[Any]) -> None:
        name = self._job.correlation_id(line)
        key = None
        if isinstance(request, ChatRequest) and request.conversation_id is not None:
            key = request.conversation_id.encode()
        headers = [("correlation_id", name), ("idempotency_key", name), *self._headers]
        try:
            # One that is sent again has to reach the worker that knows its idempotency key.
            partition = None if key else self._partitions[line % len(self._partitions)]
            record = OutgoingRecord(self._topic, partition, key, request.to_json(), headers)
            sending = await send(self._producer, record)
        except TOO_LARGE as error:
            self._refuse(line, error)
        except KafkaError as error:
            raise KafkaFailed(f"cannot send to {self._topic}: {error!r}") from error
        else:
            self._unconfirmed += 1
            sending.add_done_callback(partial(self._done, line))

    def _done(self, line: int, sending: asyncio.Future[Any]) -> None:
        self._unconfirmed -= 1
        self._changed.set()
        if sending.cancelled():
            return
        error = sending.exception()
        if error is None:
            self._confirmed.append(line)
        elif isinstance(error, TOO_LARGE):
            self._refused.append((line, error))
        else:
            self._failed = error

    def _refuse(self, line: int, error: BaseException) -> None:
        message = f"the request is larger than {self._topic} takes: {error}"
        self._job.answer(line, local_error(ErrorDetail(code="too_large", message=message, retryable=False)))
