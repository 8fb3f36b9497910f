"""Events with a real pipeline; a real server acts as the provider."""

import json
from dataclasses import replace

import pytest
from aiokafka.errors import MessageSizeTooLargeError
from structlog.testing import capture_logs

from carteiro.enrichment.enrichment_file import parse_enrichment
from carteiro.enrichment.member_schemas import member_schemas, result_schemas
from carteiro.registry.connection import open_registry
from carteiro.registry.errors import RegistryUnavailable
from carteiro.registry.settings import RegistrySettings
from carteiro.wire.json_event import JsonEvent, JsonFormat
from carteiro.wire.record import OutgoingRecord, Record
from carteiro.worker.enrichment.event_handler import EventHandler
from carteiro.worker.enrichment.event_outcome import ERRORS_HEADER, EventOutcome, copy_event
from carteiro.worker.handling.dead_letters import DeadLetters
from carteiro.worker.handling.pipeline import Pipeline
from carteiro.worker.observability import metrics
from tests.provider import Provider
from tests.registry_server import RegistryServer
from tests.unit.registry.confluent import Confluent
from tests.unit.wire.fake_record import FakeRecord, UnreadRecord
from tests.unit.worker.failing_model import FREE

FILE = """\
from: reviews
to: enriched
when: "text != 'plain'"
steps:
  - {{task: generate, request: "{request}", into: ai.answer, take: text, options: {{max_output_tokens: 7}}}}
on_error: {on_error}
"""


async def handle(
    pipeline: Pipeline, value: bytes | None, on_error: str = "keep", request: str = "{prompt: text}"
) -> EventOutcome:
    handler = make_handler(pipeline, on_error, request)
    return await handler.handle(make_record(value))


def make_handler(pipeline: Pipeline, on_error: str = "keep", request: str = "{prompt: text}") -> EventHandler:
    file = parse_enrichment(FILE.format(on_error=on_error, request=request).encode(), "f", "shop")
    return EventHandler(file, {"generate": pipeline}, FREE, "g", DeadLetters("llm.enrich-shop.dead", "g"))


def make_record(value: bytes | None) -> FakeRecord:
    return FakeRecord(value, (("color", b"red"),), key=b"k", topic="reviews", offset=5, timestamp=1_700_000_000_000)


def sent(outcome: EventOutcome | None) -> OutgoingRecord:
    assert outcome is not None
    (record,) = outcome.records
    return record


async def test_every_event_is_counted_as_it_comes_in(pipeline: Pipeline) -> None:
    counter = metrics.REQUESTS.labels("enrich-shop")
    before = counter._value.get()
    for value in (None, b"\xff", b'{"text": "plain"}'):
        await handle(pipeline, value)
    assert counter._value.get() == before + 3
    assert metrics.IN_FLIGHT.labels("enrich-shop")._value.get() == 0


@pytest.mark.parametrize(
    ("value", "on_error", "code"),
    [
        (b'{"text": "hello"}', "keep", "ok"),
        (b'{"text": ""}', "keep", "invalid_request"),
        (b'{"text": ""}', "drop", "invalid_request"),
        (b'{"text": ""}', "dead_letter", "invalid_request"),
        (b"\xff", "drop", "unreadable"),
    ],
)
async def test_outcome_has_the_code_of_the_first_error(
    pipeline: Pipeline, value: bytes, on_error: str, code: str
) -> None:
    assert (await handle(pipeline, value, on_error)).code == code


async def test_enriched_event_keeps_key_headers_and_timestamp(pipeline: Pipeline, provider: Provider) -> None:
    outcome = await handle(pipeline, b'{"text": "hello", "n": 1.0}')
    record = sent(outcome)
    assert outcome.result == "enriched"
    assert (record.topic, record.key, record.timestamp) == ("enriched", b"k", 1_700_000_000_000)
    assert list(record.headers) == [("color", b"red")]
    assert record.value is not None
    assert record.value.startswith(b'{"text": "hello", "n": 1.0,')
    assert json.loads(record.value)["ai"]["answer"]
    assert "7" in json.dumps(provider.requests[-1].body)


@pytest.mark.parametrize("value", [None, b'{"text": "plain"}'])
async def test_tombstone_and_event_without_work_pass_unchanged(pipeline: Pipeline, value: bytes | None) -> None:
    outcome = await handle(pipeline, value)
    assert (outcome.result, sent(outcome).value, sent(outcome).topic) == ("unchanged", value, "enriched")


async def test_wrong_request_is_an_error_of_the_event(pipeline: Pipeline, provider: Provider) -> None:
    outcome = await handle(pipeline, b'{"text": ""}')
    record = sent(outcome)
    assert outcome.result == "failed"
    assert json.loads(record.value or b"")["ai"]["errors"][0]["code"] == "invalid_request"
    assert (ERRORS_HEADER, b"ai.answer=invalid_request") in record.headers
    assert not provider.requests


@pytest.mark.parametrize(
    ("on_error", "result", "topics"),
    [
        ("keep", "failed", ["enriched"]),
        ("drop", "dropped", []),
        ("dead_letter", "dead_letter", ["llm.enrich-shop.dead"]),
    ],
)
async def test_unreadable_event_is_dealt_with_as_the_file_says(
    pipeline: Pipeline, on_error: str, result: str, topics: list[str]
) -> None:
    with capture_logs() as logs:
        outcome = await handle(pipeline, b"\xff no JSON", on_error)
    assert [(each["event"], each["event_id"], each["reason"]) for each in logs] == [
        ("an event is not enriched", "reviews/2/5", "the event is no JSON in UTF-8")
    ]
    assert outcome.result == result
    assert [record.topic for record in outcome.records] == topics
    assert all(record.value == b"\xff no JSON" for record in outcome.records)


async def test_event_that_kills_its_workers_is_dealt_with_too(pipeline: Pipeline) -> None:
    outcome = await make_handler(pipeline, "dead_letter").reject_poison(make_record(b"{}"), 3)
    assert dict(sent(outcome).headers)["carteiro_error_code"] == b"internal"


async def test_headers_of_a_binary_cloud_event_are_kept(pipeline: Pipeline) -> None:
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", b"a-1"),
        ("ce_seq", b"\xff"),
        ("content-type", b"application/json"),
    )
    record = replace(make_record(b'{"text": "hello"}'), headers=headers)
    outcome = await make_handler(pipeline).handle(record)
    assert (outcome.result, tuple(sent(outcome).headers)) == ("enriched", headers)


@pytest.mark.parametrize("on_error", ["keep", "drop", "dead_letter"])
async def test_event_too_large_to_read_is_no_tombstone(pipeline: Pipeline, on_error: str) -> None:
    record = UnreadRecord(None, key=b"k", topic="reviews", offset=5)
    outcome = await make_handler(pipeline, on_error).handle(record)
    letter = sent(outcome)
    assert (outcome.result, letter.topic, letter.key) == ("dead_letter", "llm.enrich-shop.dead", b"k")
    headers = dict(letter.headers)
    assert headers["carteiro_error_code"] == b"too_large"
    assert headers["kafka_dlt-original-topic"] == b"reviews"
    assert b"5,000,000 bytes" in headers["kafka_dlt-exception-message"]
    for outcome in (
        await make_handler(pipeline).handle_unparsed(record),
        await make_handler(pipeline).reject_poison(record, 3),
    ):
        assert outcome.result == "dead_letter"


async def test_event_that_grew_too_large_goes_on_unchanged_and_then_to_the_dead_letters(pipeline: Pipeline) -> None:
    outcome = await handle(pipeline, b'{"text": "hello"}')
    smaller = outcome.fall_back(sent(outcome), MessageSizeTooLargeError())
    assert sent(smaller).value == b'{"text": "hello"}'
    assert (ERRORS_HEADER, b"event=too_large") in sent(smaller).headers
    assert smaller is not None
    original = smaller.fall_back(sent(smaller), MessageSizeTooLargeError())
    assert (sent(original).value, list(sent(original).headers)) == (b'{"text": "hello"}', [("color", b"red")])
    assert original is not None
    letter = original.fall_back(sent(original), MessageSizeTooLargeError())
    assert (sent(letter).topic, sent(letter).value) == ("llm.enrich-shop.dead", b'{"text": "hello"}')
    assert letter is not None
    headers_only = letter.fall_back(sent(letter), MessageSizeTooLargeError())
    assert (sent(headers_only).topic, sent(headers_only).value) == ("llm.enrich-shop.dead", b"")
    assert headers_only is not None
    dropped = headers_only.fall_back(sent(headers_only), MessageSizeTooLargeError())
    assert dropped is not None
    assert not dropped.records


class AwayFormat(JsonFormat):
    """A format whose registry is away for the first `failures` events."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    async def decode(self, record: Record) -> JsonEvent:
        if self.failures:
            self.failures -= 1
            raise RegistryUnavailable("away")
        return await super().decode(record)


async def test_event_waits_with_growing_pauses_until_the_registry_is_back(pipeline: Pipeline) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    handler = replace(make_handler(pipeline), format=AwayFormat(4), sleep=sleep)
    outcome = await handler.handle(make_record(b'{"text": "hello"}'))
    assert outcome.result == "enriched"
    assert len(pauses) == 4
    assert pauses[0] <= 1 < pauses[3]


def test_header_of_the_schema_takes_the_place_of_the_old_one() -> None:
    record = FakeRecord(b"{}", (("color", b"red"), ("id", b"old")))
    outgoing = copy_event(record, "enriched", b"new", "", (("id", b"new"),))
    assert list(outgoing.headers) == [("color", b"red"), ("id", b"new")]


async def test_avro_event_is_enriched_in_avro(pipeline: Pipeline) -> None:
    schema = '{"type":"record","name":"com.shop.Review","fields":[{"name":"text","type":"string"}]}'
    async with RegistryServer() as server:
        confluent, registry = Confluent(server), open_registry(RegistrySettings(url=server.url))
        handler = make_handler(pipeline)
        members = member_schemas(handler.file, result_schemas())
        handler = replace(handler, format=registry.event_format("enriched", members))
        record = replace(make_record(b""), value=(await confluent.avro(schema, {"text": "hello"})).value)
        outcome = await handler.handle(record)
        value = sent(outcome).value
        assert outcome.result == "enriched"
        assert value is not None
        read = await confluent.read_avro(value)
        assert read["text"] == "hello"
        assert read["ai"]["answer"]
        plain = replace(record, value=(await confluent.avro(schema, {"text": "plain"})).value)
        assert sent(await handler.handle(plain)).value == plain.value
        await registry.close()
        await confluent.close()


async def test_avro_event_with_a_null_in_place_of_the_results_is_enriched(pipeline: Pipeline) -> None:
    results = {"type": "record", "name": "Ai", "fields": [{"name": "answer", "type": ["null", "string"]}]}
    fields = [{"name": "text", "type": "string"}, {"name": "ai", "type": ["null", results]}]
    schema = json.dumps({"type": "record", "name": "com.shop.Review", "fields": fields})
    async with RegistryServer() as server:
        confluent, registry = Confluent(server), open_registry(RegistrySettings(url=server.url))
        handler = make_handler(pipeline)
        members = member_schemas(handler.file, result_schemas())
        handler = replace(handler, format=registry.event_format("enriched", members))
        event = await confluent.avro(schema, {"text": "hello", "ai": None})
        outcome = await handler.handle(replace(make_record(b""), value=event.value))
        value = sent(outcome).value
        assert (outcome.result, outcome.code) == ("enriched", "ok")
        assert value is not None
        assert (await confluent.read_avro(value))["ai"]["answer"]
        await registry.close()
        await confluent.close()
