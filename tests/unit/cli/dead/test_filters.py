"""Filters that select the dead letters for `carteiro dead`."""

from datetime import UTC, datetime, timedelta

import pytest

from carteiro.cli.dead.filters import (
    DeadLetterFilters,
    DeadLetterId,
    FilterInvalid,
    check_redrivable,
    read_dead_letter_ids,
    read_filters,
    read_tasks,
)
from carteiro.schemas import REQUESTS
from carteiro.wire.dead_letter import DeadLetter, dead_letter_record, read_dead_letter
from carteiro.wire.topics import Topics
from tests.unit.wire.fake_record import FakeRecord

TOPICS = Topics()
AT = datetime(2026, 1, 2, 12, tzinfo=UTC)


def letter(*headers: tuple[str, bytes], key: bytes | None = b"guest-7") -> DeadLetter:
    record = dead_letter_record(
        FakeRecord(headers=headers, key=key),
        "llm.summarize.dead",
        group="g",
        reason="The model is down",
        code="model_unavailable",
        tries=5,
        at=AT,
    )
    return read_dead_letter(
        FakeRecord(topic=record.topic, key=key, headers=tuple(record.headers), partition=1, offset=3)
    )


@pytest.mark.parametrize(
    ("filters", "matches"),
    [
        (DeadLetterFilters(), True),
        (DeadLetterFilters(codes=["internal", "model_unavailable"]), True),
        (DeadLetterFilters(codes=["internal"]), False),
        (DeadLetterFilters(reason="MODEL is"), True),
        (DeadLetterFilters(reason="up"), False),
        (DeadLetterFilters(since=AT), True),
        (DeadLetterFilters(since=AT + timedelta(seconds=1)), False),
        (DeadLetterFilters(correlation_id="order-7"), True),
        (DeadLetterFilters(correlation_id="order-70"), False),
        (DeadLetterFilters(key="guest-7"), True),
        (DeadLetterFilters(key="guest"), False),
        (DeadLetterFilters(codes=["model_unavailable"], reason="down", key="guest-8"), False),
    ],
)
def test_all_filters_must_match(filters, matches):
    assert filters.matches(letter(("correlation_id", b"order-7"))) == matches


def test_request_without_an_id_is_found_by_the_reply_id():
    assert DeadLetterFilters(correlation_id="llm.summarize.requests/2/17").matches(letter())


def test_binary_key_is_given_in_hexadecimal_and_missing_key_does_not_match():
    assert DeadLetterFilters(key="0xff00").matches(letter(key=b"\xff\x00"))
    assert not DeadLetterFilters(key="").matches(letter(key=None))
    assert DeadLetterFilters(key="").matches(letter(key=b""))


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("30m", 1800), ("2h", 7200), ("3d", 259_200), ("1w", 604_800)]
)
def test_since_accepts_a_duration(text, seconds):
    since = read_filters(None, None, text, None, None).since
    assert since
    assert abs(datetime.now(UTC) - since - timedelta(seconds=seconds)) < timedelta(minutes=1)


def test_since_accepts_a_time():
    assert read_filters(None, None, "2026-01-02T09:00:00-03:00", None, None).since == AT
    assert read_filters(None, None, "2026-01-02T12:00:00Z", None, None).since == AT
    assert read_filters(None, None, "999999w", None, None).since == datetime.min.replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["yesterday", "2", "h", "-2h", "2026-01-02T12:00:00", "2h "])
def test_invalid_since_is_reported(text):
    with pytest.raises(FilterInvalid, match="--since: "):
        read_filters(None, None, text, None, None)


def test_unknown_code_is_reported():
    with pytest.raises(FilterInvalid, match="no error code 'model_down'; there are .*model_unavailable"):
        read_filters(["model_down"], None, None, None, None)


def test_tasks_are_selected_by_name():
    assert read_tasks("chat") == ["chat"]
    assert read_tasks(None) == list(REQUESTS)
    with pytest.raises(FilterInvalid, match="no task 'sing'"):
        read_tasks("sing")


def test_letters_of_a_collection_are_selected_and_not_redriven():
    assert read_tasks("index-my_docs") == ["index-my_docs"]
    with pytest.raises(FilterInvalid, match="index-docs: documents are not sent again"):
        check_redrivable(["index-docs"])


def test_letters_of_an_enrichment_are_selected_and_not_redriven():
    full = "llm.enrich-shop.dead/0/17"
    assert read_tasks("enrich-shop") == ["enrich-shop"]
    assert read_dead_letter_ids([full], TOPICS) == (["enrich-shop"], [DeadLetterId("llm.enrich-shop.dead", 0, 17)])
    check_redrivable(list(REQUESTS))
    with pytest.raises(FilterInvalid, match="enrich-shop: events are not sent again"):
        check_redrivable(["chat", "enrich-shop"])


def test_letters_are_selected_by_task_and_id():
    assert read_dead_letter_ids([], TOPICS) == (list(REQUESTS), [])
    assert read_dead_letter_ids(["chat"], TOPICS) == (["chat"], [])
    assert read_dead_letter_ids(["chat", "0/17"], TOPICS) == (["chat"], [DeadLetterId(None, 0, 17)])
    assert read_dead_letter_ids(["0/17", "0/17"], TOPICS) == (list(REQUESTS), [DeadLetterId(None, 0, 17)])
    full = "llm.chat.dead/0/17"
    assert read_dead_letter_ids([full], TOPICS) == (["chat"], [DeadLetterId("llm.chat.dead", 0, 17)])
    assert read_dead_letter_ids(["chat", full], TOPICS) == (["chat"], [DeadLetterId("llm.chat.dead", 0, 17)])
    assert str(read_dead_letter_ids([full], TOPICS)[1][0]) == full


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sing"], "no task 'sing'"),
        (["sing", "0/17"], "no task 'sing'"),
        (["chat", "17"], "'17' is not a dead letter's id"),
        (["0/x"], "'0/x' is not a dead letter's id"),
        (["a/b/0/17"], "is not a dead letter's id"),
        (["0/17", "chat"], "'chat' is not a dead letter's id"),
        (["llm.chat.requests/0/17"], "is not in a topic that is looked at"),
        (["answer", "llm.chat.dead/0/17"], "looked at: llm.answer.dead"),
    ],
)
def test_invalid_letter_id_is_reported(arguments, says):
    with pytest.raises(FilterInvalid, match=says):
        read_dead_letter_ids(arguments, TOPICS)


def test_short_id_fits_any_topic_and_full_id_only_its_own():
    assert DeadLetterId(None, 1, 3).matches(letter())
    assert DeadLetterId("llm.summarize.dead", 1, 3).matches(letter())
    assert not DeadLetterId("llm.chat.dead", 1, 3).matches(letter())
    assert not DeadLetterId(None, 3, 1).matches(letter())
