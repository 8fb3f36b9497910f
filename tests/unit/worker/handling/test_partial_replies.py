"""The chunks of a streamed reply."""

import asyncio
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from carteiro.schemas import PartialReply
from carteiro.wire.envelope import read_envelope
from carteiro.wire.record import OutgoingRecord
from carteiro.worker.handling import partial_replies as module
from carteiro.worker.handling.partial_replies import PartialReplyPublisher
from carteiro.worker.handling.reply_router import ReplyAddress
from tests.unit.worker.handling.outcomes import RECORD, content


def make_publisher(acknowledge: bool = True) -> tuple[PartialReplyPublisher, list[OutgoingRecord], Any]:
    sent: list[OutgoingRecord] = []

    async def dispatch(record: OutgoingRecord) -> asyncio.Future[None]:
        sent.append(record)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if acknowledge:
            future.set_result(None)
        return future

    router = Mock(producer=Mock(dispatch=dispatch), with_partition=AsyncMock(return_value=ReplyAddress("inbox", 4)))
    publisher = PartialReplyPublisher(router, read_envelope(RECORD), ReplyAddress("inbox"), {"traceparent": "00-1"})
    return publisher, sent, router


def chunk(seq: int) -> PartialReply:
    return PartialReply(task="generate", request_id="t/0/1", attempt="a", seq=seq, text=f"text {seq}")


async def test_chunks_and_the_reply_after_them_go_to_one_partition() -> None:
    publisher, sent, _ = make_publisher()
    for seq in range(2):
        await publisher.send(chunk(seq))
    assert [(record.topic, record.partition, record.key) for record in sent] == [("inbox", 4, b"key")] * 2
    assert publisher.address == ReplyAddress("inbox", 4)


async def test_chunk_has_its_number_and_is_not_final() -> None:
    publisher, sent, _ = make_publisher()
    await publisher.send(chunk(3))
    headers = dict(sent[0].headers)
    assert (headers["seq"], headers["final"], headers["correlation_id"]) == (b"3", b"false", b"c-1")
    assert content(sent[0])["text"] == "text 3"


async def test_broker_that_does_not_answer_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TIMEOUT_SECONDS", 0.01)
    publisher, _, _ = make_publisher(acknowledge=False)
    with pytest.raises(TimeoutError):
        await publisher.send(chunk(0))
