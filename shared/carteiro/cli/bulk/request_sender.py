"""Sender of the lines of a job, which records the lines that Kafka has confirmed."""

import asyncio
from functools import partial
from typing import Any

from aiokafka.errors import KafkaError

from carteiro.cli.bulk.input_file import local_error, read_line
from carteiro.cli.bulk.job import BulkJob
from carteiro.cli.kafka import KafkaFailed
from carteiro.client.timeouts import timeout_header
from carteiro.kafka.bounded_producer import BoundedProducer
from carteiro.kafka.record_errors import TOO_LARGE
from carteiro.schemas import ErrorDetail, Request
from carteiro.schemas.chat import ChatRequest
from carteiro.wire.record import OutgoingRecord
from carteiro.worker.parsing import RequestRejected

_MAX_UNCONFIRMED = 1000


class RequestSender:
    """Sender of the unsent lines."""

    def __init__(
        self, job: BulkJob, producer: BoundedProducer, topic: str, *, max_in_flight: int | None, timeout: float | None
    ) -> None:
        """`max_in_flight` is the maximum number of requests without a reply, `timeout` each request's deadline in
        seconds.
        """
        self._job = job
        self._producer = producer
        self._topic = topic
        self._max_in_flight = max_in_flight
        self._headers = [] if timeout is None else [timeout_header(timeout)]
        self._partitions: list[int] = []
        self._unconfirmed = 0
        self._confirmed: list[int] = []
        self._rejected: list[tuple[int, BaseException]] = []
        self._failure: BaseException | None = None
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Send all lines, and wait until Kafka has them. Raise `KafkaFailed` or `JobFailed`."""
        self._partitions = sorted(await self._producer.partitions_for(self._topic))
        for line, written in self._job.source.unsent_lines():
            # Other coroutines have to run too, even if the lines are read very fast.
            await asyncio.sleep(0)
            try:
                request = read_line(written, self._job.defaults)
            except RequestRejected as rejected:
                self._job.record_reply(line, local_error(rejected.error))
                continue
            await self._wait_for_capacity()
            if self._job.states.is_unsent(line):
                await self._send(line, request)
        while self._unconfirmed:
            await self._wait_for_change()
        self._process_confirmations()

    def journal_confirmed(self) -> None:
        """Record the confirmed lines. Raise `JobFailed` if they cannot be written."""
        if self._confirmed:
            confirmed, self._confirmed = self._confirmed, []
            self._job.mark_sent(confirmed)

    def on_replies(self) -> None:
        """Wake the sender: after replies there may be capacity for more requests."""
        self._changed.set()

    def _process_confirmations(self) -> None:
        self.journal_confirmed()
        while self._rejected:
            line, error = self._rejected.pop()
            self._reject(line, error)
        if self._failure:
            raise KafkaFailed(f"cannot send to {self._topic}: {self._failure!r}")

    async def _wait_for_capacity(self) -> None:
        self._process_confirmations()
        while self._unconfirmed >= _MAX_UNCONFIRMED or (
            self._max_in_flight is not None and self._job.states.in_flight + self._unconfirmed >= self._max_in_flight
        ):
            await self._wait_for_change()

    async def _wait_for_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
        self._process_confirmations()

    async def _send(self, line: int, request: Request[Any]) -> None:
        name = self._job.correlation_id(line)
        key = None
        if isinstance(request, ChatRequest) and request.conversation_id is not None:
            key = request.conversation_id.encode()
        headers = [("correlation_id", name), ("idempotency_key", name), *self._headers]
        try:
            # A request that is sent again has to reach the worker that knows its idempotency key.
            partition = None if key else self._partitions[line % len(self._partitions)]
            record = OutgoingRecord(self._topic, partition, key, request.to_json(), headers)
            sending = await self._producer.dispatch(record)
        except TOO_LARGE as error:
            self._reject(line, error)
        except KafkaError as error:
            raise KafkaFailed(f"cannot send to {self._topic}: {error!r}") from error
        else:
            self._unconfirmed += 1
            sending.add_done_callback(partial(self._on_acknowledged, line))

    def _on_acknowledged(self, line: int, sending: asyncio.Future[Any]) -> None:
        self._unconfirmed -= 1
        self._changed.set()
        if sending.cancelled():
            return
        error = sending.exception()
        if error is None:
            self._confirmed.append(line)
        elif isinstance(error, TOO_LARGE):
            self._rejected.append((line, error))
        else:
            self._failure = error

    def _reject(self, line: int, error: BaseException) -> None:
        message = f"the request is larger than {self._topic} accepts: {error}"
        self._job.record_reply(line, local_error(ErrorDetail(code="too_large", message=message, retryable=False)))
