"""The readers of requests, with formats of a registry that a test fills."""

import threading
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from carteiro.registry.errors import RegistryUnavailable, SchemaRejected
from carteiro.registry.framing import RecordFormat
from carteiro.registry.task_format import DecodedRequest
from carteiro.schemas.reply import ReplySchema
from carteiro.wire.envelope import Envelope
from carteiro.wire.record import PARSE_IN_THREAD_BYTES
from carteiro.wire.reply import JSON_REPLIES, EncodedReply
from carteiro.worker.handling import request_reader as module
from carteiro.worker.handling.request_reader import JsonRequestReader, ReplyUnwritable, SchemaRequestReader
from tests.unit.wire.fake_record import FakeRecord

AVRO = RecordFormat("AVRO", id_in_header=False)


class FakeEncoder:
    def encode(self, reply: ReplySchema) -> EncodedReply:
        return EncodedReply(b"avro")


class FakeFormat:
    """Formats that return, or raise once, what `errors` has."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.asked, self.encoder = list(errors), list[RecordFormat | None](), FakeEncoder()

    async def read_request(self, record: FakeRecord) -> DecodedRequest:
        return DecodedRequest(b"{}", AVRO)

    async def reply_encoder(self, request: RecordFormat | None) -> Any:
        self.asked.append(request)
        if self.errors:
            raise self.errors.pop(0)
        return self.encoder


def make_reader(*errors: Exception, pauses: list[float] | None = None) -> tuple[SchemaRequestReader, FakeFormat]:
    fake, pauses = FakeFormat(*errors), [] if pauses is None else pauses

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    return SchemaRequestReader("generate", cast("Any", fake), pause), fake


async def test_json_request_is_read_as_it_is() -> None:
    envelope, encoder = await JsonRequestReader().read(FakeRecord(b'{"a": 1}'))
    assert (envelope.body, encoder) == (b'{"a": 1}', JSON_REPLIES)
    assert await JsonRequestReader().unread_encoder() is JSON_REPLIES


@pytest.mark.parametrize(("size", "in_thread"), [(PARSE_IN_THREAD_BYTES - 1, False), (PARSE_IN_THREAD_BYTES, True)])
async def test_envelope_of_a_large_record_is_read_in_a_thread(
    monkeypatch: pytest.MonkeyPatch, size: int, in_thread: bool
) -> None:
    threads = list[bool]()

    def read(_: object) -> Envelope:
        threads.append(threading.current_thread() is not threading.main_thread())
        return Envelope("t/0/1", "c", (), key=None, body=b"", sent_at=datetime.now(UTC))

    monkeypatch.setattr(module, "read_envelope", read)
    await JsonRequestReader().read(FakeRecord(b"x" * size))
    assert threads == [in_thread]


async def test_request_with_a_schema_has_the_encoder_of_its_format() -> None:
    reader, fake = make_reader()
    envelope, encoder = await reader.read(FakeRecord(b"\x00binary"))
    assert (envelope.body, encoder, fake.asked) == (b"{}", fake.encoder, [AVRO])


async def test_request_waits_while_the_registry_is_away() -> None:
    pauses = list[float]()
    reader, fake = make_reader(*[RegistryUnavailable("it is away")] * 2, pauses=pauses)
    assert (await reader.read(FakeRecord(b"\x00binary")))[1] is fake.encoder
    assert len(pauses) == 2


async def test_refused_schema_is_told_before_the_request_is_served() -> None:
    reader, _ = make_reader(SchemaRejected("not compatible"))
    with pytest.raises(ReplyUnwritable) as caught:
        await reader.read(FakeRecord(b"\x00binary"))
    assert (caught.value.reason, caught.value.envelope.body) == ("not compatible", b"{}")


async def test_reply_to_a_structured_event_is_json() -> None:
    reader, fake = make_reader()
    headers = (("content-type", b"application/cloudevents+json"),)
    assert (await reader.read(FakeRecord(b"{}", headers)))[1] is JSON_REPLIES
    assert not fake.asked


async def test_request_that_was_not_read_has_the_format_that_is_set_or_json() -> None:
    reader, fake = make_reader(SchemaRejected("not compatible"))
    assert await reader.unread_encoder() is JSON_REPLIES
    assert await reader.unread_encoder() is fake.encoder
    assert fake.asked == [None, None]
