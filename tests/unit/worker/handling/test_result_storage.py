"""Results that are too large for their topic."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from carteiro.references.bucket import Bucket, parse_bucket
from carteiro.references.errors import StoreRefused, StoreUnavailable
from carteiro.references.object_stores import ObjectStores
from carteiro.schemas import StoredReply
from carteiro.worker.handling.reply_outcome import ReplyOutcome
from carteiro.worker.handling.result_storage import store_in_delivery, store_result
from tests.s3_server import S3Server
from tests.unit.worker.handling.outcomes import ERROR, OK, RECORD, USAGE, content, make_outcome


class FakeBucket:
    """Bucket that raises errors first."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.names = list(errors), list[str]()

    async def write(self, name: str, value: bytes, content_type: str) -> str:
        if self.errors:
            raise self.errors.pop(0)
        self.names.append(name)
        return f"s3://letters/{name}"


def outcome(bucket: Any) -> ReplyOutcome:
    record = replace(RECORD, timestamp=1_764_480_000_000)
    return make_outcome(record=record, bucket=bucket)


@pytest.fixture
def bucket(s3_environment: S3Server) -> Bucket:
    return Bucket(parse_bucket("s3://letters/replies"), ObjectStores())


async def no_pause(seconds: float) -> None:
    pass


async def test_reply_has_the_address_and_the_bucket_the_result(bucket: Bucket, s3_environment: S3Server) -> None:
    stored = await store_result(outcome(bucket), None)
    reply = StoredReply.model_validate_json(stored.record.value or b"")
    assert reply.stored_result.uri == "s3://letters/replies/llm.generate.requests/2/17-1764480000000.json"
    value = s3_environment.get(reply.stored_result.uri)
    assert json.loads(value) == OK.result.model_dump()
    assert reply.stored_result.size_bytes == len(value)
    assert (reply.model, reply.usage, reply.request_id) == (OK.model, USAGE, OK.request_id)
    assert stored.record.headers == outcome(None).record.headers
    assert stored.reply is OK, "what is counted and logged is the reply itself"


async def test_repeated_request_writes_the_same_object(bucket: Bucket, s3_environment: S3Server) -> None:
    before = s3_environment.keys("replies/")
    first, second = await store_result(outcome(bucket), None), await store_result(outcome(bucket), None)
    assert first.stored_result == second.stored_result
    assert len({*s3_environment.keys("replies/")} - {*before}) <= 1


async def test_result_waits_for_a_bucket_that_is_away() -> None:
    bucket = FakeBucket(StoreUnavailable("away"), StoreUnavailable("away"))
    stored = await store_result(outcome(bucket), None, no_pause)
    assert content(stored.record)["status"] == "stored"


async def test_bucket_that_refuses_leaves_a_too_large_error_with_the_usage() -> None:
    for store in (store_in_delivery, lambda each: store_result(each, None, no_pause)):
        stored = await store(outcome(FakeBucket(StoreRefused("does not exist"))))
        assert content(stored.record)["error"]["code"] == "too_large"
        assert stored.reply.usage == USAGE


async def test_bucket_that_stays_away_leaves_a_too_large_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carteiro.worker.handling.result_storage._DELIVERY_SECONDS", 0.0)
    past = datetime.now(UTC) - timedelta(hours=1)
    away = FakeBucket(*[StoreUnavailable("away")] * 1000)
    stored = await store_result(outcome(away), past)
    assert content(stored.record)["error"]["code"] == "too_large"


async def test_reply_that_its_topic_rejects_is_stored_before_it_is_sent_again() -> None:
    first = outcome(FakeBucket())
    rejected = first.fall_back(first.record, MessageSizeTooLargeError())
    assert rejected is not None
    prepared = await rejected.prepare()
    assert content(prepared.record)["status"] == "stored"
    assert await prepared.prepare() is prepared
    again = prepared.fall_back(prepared.record, MessageSizeTooLargeError())
    assert again is not None
    assert content(again.record)["error"]["code"] == "too_large"


async def test_error_and_reply_without_a_bucket_are_not_stored() -> None:
    for reply, bucket in ((ERROR, FakeBucket()), (OK, None)):
        rejected = make_outcome(reply, bucket=bucket)
        replacement = rejected.fall_back(rejected.record, MessageSizeTooLargeError())
        assert replacement is not None
        assert await replacement.prepare() is replacement
        assert content(replacement.record)["status"] == "error"
