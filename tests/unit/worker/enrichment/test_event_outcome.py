from dataclasses import replace
from unittest.mock import Mock

import pytest
from aiokafka.errors import (
    InvalidTimestampError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    TopicAuthorizationFailedError,
)

from carteiro.enrichment.enrichment_file import parse_enrichment
from carteiro.kafka.record_errors import InvalidRecordError
from carteiro.wire.record import OutgoingRecord
from carteiro.worker.enrichment.event_outcome import ERRORS_HEADER, EventOutcome, copy_event
from carteiro.worker.journal.request_journal import RequestJournal
from carteiro.worker.observability import metrics
from tests.unit.wire.fake_record import FakeRecord

FILE = parse_enrichment(
    b"from: a\nto: b\nsteps: [{task: generate, request: '{prompt: a}', into: ai}]\nerrors_into: errors", "f", "shop"
)
EVENT = FakeRecord(
    b"{}", (("color", b"red"), ("color", b"blue")), key=b"k", topic="reviews", timestamp=1_700_000_000_000
)
COPY = copy_event(EVENT, "enriched", b'{"a":1}')
DROPPED = EventOutcome(FILE, EVENT, "dropped", None, "rate_limited")


def make_outcome(**fields: object) -> EventOutcome:
    return EventOutcome(FILE, EVENT, "enriched", COPY, **fields)  # type: ignore[arg-type]


def test_copy_keeps_key_timestamp_and_every_header() -> None:
    assert (
        OutgoingRecord(
            "enriched", None, b"k", b'{"a":1}', [("color", b"red"), ("color", b"blue")], timestamp=1_700_000_000_000
        )
        == COPY
    )


def test_errors_of_this_enrichment_replace_those_of_the_one_before() -> None:
    event = FakeRecord(headers=((ERRORS_HEADER, b"old=expired"), ("color", b"red")))
    assert copy_event(event, "t", b"").headers == [("color", b"red")]
    assert copy_event(event, "t", None, "new=internal").headers == [("color", b"red"), (ERRORS_HEADER, b"new=internal")]


@pytest.mark.parametrize(("timestamp", "copied"), [(-1, None), (0, 0)])
def test_only_a_known_timestamp_is_copied(timestamp: int, copied: int | None) -> None:
    assert copy_event(FakeRecord(timestamp=timestamp), "t", None).timestamp == copied


def test_dropped_event_has_no_records() -> None:
    assert (DROPPED.records, make_outcome().records) == ([], [COPY])
    assert make_outcome().custom_record is None


def test_timestamp_that_the_topic_does_not_take_is_left_out() -> None:
    again = make_outcome().fall_back(COPY, InvalidTimestampError())
    assert again is not None
    (record,) = again.records
    assert (record.timestamp, record.value, again.result) == (None, COPY.value, "enriched")
    assert again.fall_back(record, InvalidTimestampError()) is None


def test_event_that_is_too_large_has_the_outcome_for_that() -> None:
    outcome_if_too_large = Mock(return_value=DROPPED)
    outcome = make_outcome(if_rejected=outcome_if_too_large)
    assert outcome.fall_back(COPY, MessageSizeTooLargeError()) is DROPPED
    outcome_if_too_large.assert_called_once_with(EVENT, "too_large")
    assert make_outcome().fall_back(COPY, MessageSizeTooLargeError()) is None


def test_topic_that_takes_nothing_is_waited_for() -> None:
    outcome = make_outcome(if_rejected=lambda *_: DROPPED)
    assert outcome.fall_back(COPY, TopicAuthorizationFailedError()) is None


@pytest.mark.parametrize("error", [InvalidRecordError(), PolicyViolationError()])
def test_event_that_its_topic_never_takes_does_not_stop_the_partition(error: Exception) -> None:
    outcome_if_rejected = Mock(return_value=DROPPED)
    outcome = make_outcome(if_rejected=outcome_if_rejected)
    assert outcome.fall_back(replace(COPY, topic=FILE.target), error) is DROPPED
    outcome_if_rejected.assert_called_once_with(EVENT, "invalid_request")
    assert outcome.fall_back(replace(COPY, topic="llm.enrich-shop.dead"), error) is None


def test_event_with_neither_key_nor_value_is_sent() -> None:
    assert copy_event(FakeRecord(None), "t", None).value == b""
    assert copy_event(FakeRecord(None, key=b"k"), "t", None).value is None


def test_acknowledged_event_is_counted_once_by_its_result() -> None:
    counters = [metrics.EVENTS.labels("shop", "enriched"), metrics.REPLIES.labels("enrich-shop", "ok")]
    before, outcome = [counter._value.get() for counter in counters], make_outcome()
    outcome.on_queued()
    assert [counter._value.get() for counter in counters] == before
    outcome.on_acknowledged()
    assert [counter._value.get() for counter in counters] == [value + 1 for value in before]


def test_dead_letter_is_counted_by_its_code() -> None:
    counter = metrics.DEAD_LETTERS.labels("enrich-shop", "rate_limited")
    before = counter._value.get()
    EventOutcome(FILE, EVENT, "dead_letter", COPY, "rate_limited").on_acknowledged()
    DROPPED.on_acknowledged()
    assert counter._value.get() == before + 1


async def test_calls_of_an_event_are_deleted_unless_a_redrive_may_need_them() -> None:
    journal = Mock(spec=RequestJournal)
    sent = make_outcome(journal=journal)
    assert sent.cleanup is journal
    sent.on_acknowledged()
    journal.forget.assert_called_once_with()
    letters = [
        EventOutcome(FILE, EVENT, "dead_letter", COPY, code, journal=journal)
        for code in ("expired", "internal", "invalid_output")
    ]
    assert [letter.cleanup for letter in letters] == [None, journal, journal]


def test_replacement_of_an_event_has_its_calls() -> None:
    journal = Mock(spec=RequestJournal)
    outcome = make_outcome(journal=journal, if_rejected=lambda record, code: replace(DROPPED, record=record, code=code))
    replacement = outcome.fall_back(COPY, MessageSizeTooLargeError())
    assert replacement is not None
    assert replacement.cleanup is journal
