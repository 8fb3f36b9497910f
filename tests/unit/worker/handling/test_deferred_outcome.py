"""The outcome of a request that is deferred to the batch service."""

from dataclasses import FrozenInstanceError

import pytest
from aiokafka.errors import UnknownTopicOrPartitionError
from structlog.testing import capture_logs

from carteiro.wire.deferral import original_request
from carteiro.worker.handling.reply_outcome import ReplyOutcome
from carteiro.worker.observability import metrics
from tests.unit.wire.fake_record import FakeRecord
from tests.unit.worker.handling.outcomes import DEFERRED, INBOX, RECORD, content, make_deferral


def test_outcome_never_changes() -> None:
    with pytest.raises(FrozenInstanceError):
        make_deferral().task = "chat"  # type: ignore[misc]


def test_record_is_custom_since_its_topic_may_be_missing_and_the_broker_may_create_it() -> None:
    outcome = make_deferral()
    assert outcome.records == [outcome.custom_record]
    assert outcome.custom_record.topic == DEFERRED
    assert outcome.creates_topic


def test_record_becomes_the_request_again() -> None:
    stored = make_deferral().record
    original = original_request(FakeRecord(stored.value, tuple(stored.headers), stored.key, DEFERRED, 2, 40))
    assert (original.topic, original.offset, original.value) == (RECORD.topic, RECORD.offset, RECORD.value)


def test_rejected_deferral_falls_back_to_an_error_reply() -> None:
    outcome = make_deferral()
    replacement = outcome.fall_back(outcome.record, UnknownTopicOrPartitionError())
    assert isinstance(replacement, ReplyOutcome)
    assert not replacement.creates_topic


def test_refusal_names_the_reason_and_goes_to_the_callers_topic() -> None:
    refusal = make_deferral().refused("create it first")
    assert refusal.record.topic == INBOX
    assert "create it first" in content(refusal.record)["error"]["message"]


def test_acknowledged_deferral_is_logged_and_counted() -> None:
    counter = metrics.labelled(metrics.REQUESTS_DEFERRED, "generate")
    before = counter._value.get()
    with capture_logs() as logs:
        make_deferral().on_queued()
        assert counter._value.get() == before
        make_deferral().on_acknowledged()
    assert counter._value.get() == before + 1
    (line,) = logs
    assert (line["event"], line["request_id"], line["topic"]) == (
        "request deferred",
        "llm.generate.requests/2/17",
        DEFERRED,
    )
