"""The sender of a job's lines, on a producer whose acknowledgements a test gives."""

import asyncio
import json
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError, TopicAuthorizationFailedError

from carteiro.cli.bulk.request_sender import RequestSender
from carteiro.cli.kafka import KafkaFailed
from carteiro.wire.record import OutgoingRecord

OK = {"status": "ok", "usage": {"input_tokens": 3, "output_tokens": 2}}


class FakeProducer:
    """Producer of two partitions. It acknowledges at once, unless `acknowledges` is False."""

    def __init__(self) -> None:
        self.sent, self.futures = list[OutgoingRecord](), list[asyncio.Future[None]]()
        self.acknowledges = True
        self.failure: Exception | None = None

    async def partitions_for(self, topic: str) -> set[int]:
        assert topic == "requests"
        return {1, 0}

    async def dispatch(self, record: OutgoingRecord) -> asyncio.Future[None]:
        if self.failure:
            raise self.failure
        self.sent.append(record)
        self.futures.append(asyncio.get_running_loop().create_future())
        if self.acknowledges:
            self.futures[-1].set_result(None)
        return self.futures[-1]


@pytest.fixture
def producer() -> FakeProducer:
    return FakeProducer()


def make_sender(
    job: Any, producer: Any, max_in_flight: int | None = None, timeout: float | None = None
) -> RequestSender:
    if job.header is None:
        job.start({0: 0})
    return RequestSender(job, producer, "requests", max_in_flight=max_in_flight, timeout=timeout)


async def run_until_idle(task: "asyncio.Task[None]") -> None:
    for _ in range(20):
        await asyncio.sleep(0)
    assert not task.done() or task.exception() is None


async def test_every_line_is_sent_to_its_own_partition_under_its_own_id(
    producer: FakeProducer, open_lines: Any
) -> None:
    with open_lines('"One."', '"Two."', '"Three."') as job:
        await make_sender(job, producer).run()
        assert [record.partition for record in producer.sent] == [1, 0, 1]
        for line, record in enumerate(producer.sent, 1):
            headers: Any = dict(record.headers)
            assert headers["correlation_id"] == headers["idempotency_key"] == job.correlation_id(line)
            assert record.key is None
        assert [json.loads(record.value or b"")["text"] for record in producer.sent] == ["One.", "Two.", "Three."]
        assert job.states.sent == 3
    with open_lines('"One."', '"Two."', '"Three."') as again:
        assert again.states.sent == 3


async def test_line_that_was_sent_before_is_not_sent_again(producer: FakeProducer, open_lines: Any) -> None:
    with open_lines('"One."', '"Two."') as job:
        sender = make_sender(job, producer)
        job.mark_sent([1])
        await sender.run()
        assert [dict(record.headers)["correlation_id"] for record in producer.sent] == [job.correlation_id(2)]


async def test_deadline_is_in_the_headers(producer: FakeProducer, open_lines: Any) -> None:
    with open_lines('"One."') as job:
        await make_sender(job, producer, timeout=90).run()
    assert len(producer.sent[0].headers) == 3


async def test_turns_of_a_conversation_have_its_key_and_no_partition(producer: FakeProducer, open_lines: Any) -> None:
    turn = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "conversation_id": "c-7"})
    with open_lines(turn, task="chat") as job:
        await make_sender(job, producer).run()
    assert (producer.sent[0].key, producer.sent[0].partition) == (b"c-7", None)


async def test_invalid_line_has_its_error_reply_and_is_not_sent(producer: FakeProducer, open_lines: Any) -> None:
    with open_lines("{", '"Two."') as job:
        await make_sender(job, producer).run()
        assert job.states.is_answered(1)
        assert len(producer.sent) == 1


@pytest.mark.parametrize("at_once", [True, False])
async def test_line_that_is_too_large_has_its_error_reply(
    producer: FakeProducer, open_lines: Any, at_once: bool
) -> None:
    with open_lines('"One."') as job:
        sender = make_sender(job, producer)
        if at_once:
            producer.failure = MessageSizeTooLargeError()
            await sender.run()
        else:
            producer.acknowledges = False
            task = asyncio.create_task(sender.run())
            await run_until_idle(task)
            producer.futures[0].set_exception(MessageSizeTooLargeError())
            await task
        assert job.states.all_answered
        assert job.summary.ok == 0


@pytest.mark.parametrize("at_once", [True, False])
async def test_other_failure_ends_the_job(producer: FakeProducer, open_lines: Any, at_once: bool) -> None:
    with open_lines('"One."') as job:
        sender = make_sender(job, producer)
        producer.failure = KafkaConnectionError() if at_once else None
        producer.acknowledges = False
        task = asyncio.create_task(sender.run())
        for _ in range(20):
            await asyncio.sleep(0)
        if not at_once:
            producer.futures[0].set_exception(TopicAuthorizationFailedError())
        with pytest.raises(KafkaFailed, match="cannot send to requests"):
            await task
        assert job.states.sent == 0


async def test_limit_of_requests_in_flight_waits_for_replies(producer: FakeProducer, open_lines: Any) -> None:
    with open_lines('"One."', '"Two."', '"Three."') as job:
        sender = make_sender(job, producer, max_in_flight=2)
        task = asyncio.create_task(sender.run())
        await run_until_idle(task)
        assert len(producer.sent) == 2
        job.record_reply(1, OK)
        sender.on_replies()
        await task
        assert len(producer.sent) == 3


async def test_confirmations_of_a_cancelled_sender_can_still_be_recorded(
    producer: FakeProducer, open_lines: Any
) -> None:
    with open_lines('"One."', '"Two."') as job:
        producer.acknowledges = False
        sender = make_sender(job, producer)
        task = asyncio.create_task(sender.run())
        await run_until_idle(task)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        producer.futures[0].set_result(None)
        producer.futures[1].cancel()
        await asyncio.sleep(0)
        assert job.states.sent == 0
        sender.journal_confirmed()
        assert (job.states.sent, job.states.is_unsent(2)) == (1, True)
