"""Which letters `carteiro dead` is about."""

from datetime import UTC, datetime, timedelta

import pytest

from carteiro.cli.dead.choice import ChoiceInvalid, Filters, LetterId, read_filters, read_letters, read_tasks
from carteiro.schemas import REQUESTS
from carteiro.wire.dead_letter import DeadLetter, dead_letter, read_dead_letter
from carteiro.wire.topics import Topics
from tests.unit.wire.record import FakeRecord

TOPICS = Topics()
AT = datetime(2026, 1, 2, 12, tzinfo=UTC)


def letter(*headers: tuple[str, bytes], key: bytes | None = b"guest-7") -> DeadLetter:
    record = dead_letter(
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
        (Filters(), True),
        (Filters(codes=["internal", "model_unavailable"]), True),
        (Filters(codes=["internal"]), False),
        (Filters(reason="MODEL is"), True),
        (Filters(reason="up"), False),
        (Filters(since=AT), True),
        (Filters(since=AT + timedelta(seconds=1)), False),
        (Filters(correlation_id="order-7"), True),
        (Filters(correlation_id="order-70"), False),
        (Filters(key="guest-7"), True),
        (Filters(key="guest"), False),
        (Filters(codes=["model_unavailable"], reason="down", key="guest-8"), False),
    ],
)
def test_all_filters_must_match(filters, matches):
    assert filters.match(letter(("correlation_id", b"order-7"))) == matches


def test_a_request_without_an_id_is_found_by_what_its_reply_carries():
    assert Filters(correlation_id="llm.summarize.requests/2/17").match(letter())


def test_keys_that_are_no_text_are_given_in_hexadecimal_and_no_key_is_no_match():
    assert Filters(key="0xff00").match(letter(key=b"\xff\x00"))
    assert not Filters(key="").match(letter(key=None))
    assert Filters(key="").match(letter(key=b""))


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("30m", 1800), ("2h", 7200), ("3d", 259_200), ("1w", 604_800)]
)
def test_since_a_while_ago(text, seconds):
    since = read_filters(None, None, text, None, None).since
    assert since
    assert abs(datetime.now(UTC) - since - timedelta(seconds=seconds)) < timedelta(minutes=1)


def test_since_a_time():
    assert read_filters(None, None, "2026-01-02T09:00:00-03:00", None, None).since == AT
    assert read_filters(None, None, "2026-01-02T12:00:00Z", None, None).since == AT
    assert read_filters(None, None, "999999w", None, None).since == datetime.min.replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["yesterday", "2", "h", "-2h", "2026-01-02T12:00:00", "2h "])
def test_since_something_else_is_named(text):
    with pytest.raises(ChoiceInvalid, match="--since: "):
        read_filters(None, None, text, None, None)


def test_a_code_that_is_none_is_named():
    with pytest.raises(ChoiceInvalid, match="no error code 'model_down'; there are .*model_unavailable"):
        read_filters(["model_down"], None, None, None, None)


def test_tasks():
    assert read_tasks("chat") == ["chat"]
    assert read_tasks(None) == list(REQUESTS)
    with pytest.raises(ChoiceInvalid, match="no task 'sing'"):
        read_tasks("sing")


def test_letters_by_task_and_id():
    assert read_letters([], TOPICS) == (list(REQUESTS), [])
    assert read_letters(["chat"], TOPICS) == (["chat"], [])
    assert read_letters(["chat", "0/17"], TOPICS) == (["chat"], [LetterId(None, 0, 17)])
    assert read_letters(["0/17", "0/17"], TOPICS) == (list(REQUESTS), [LetterId(None, 0, 17)])
    full = "llm.chat.dead/0/17"
    assert read_letters([full], TOPICS) == (["chat"], [LetterId("llm.chat.dead", 0, 17)])
    assert read_letters(["chat", full], TOPICS) == (["chat"], [LetterId("llm.chat.dead", 0, 17)])
    assert str(read_letters([full], TOPICS)[1][0]) == full


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sing"], "no task 'sing'"),
        (["sing", "0/17"], "no task 'sing'"),
        (["chat", "17"], "'17' is not a letter's id"),
        (["0/x"], "'0/x' is not a letter's id"),
        (["a/b/0/17"], "is not a letter's id"),
        (["0/17", "chat"], "'chat' is not a letter's id"),
        (["llm.chat.requests/0/17"], "is not in a topic that is looked at"),
        (["answer", "llm.chat.dead/0/17"], "looked at: llm.answer.dead"),
    ],
)
def test_what_names_no_letter_is_named(arguments, says):
    with pytest.raises(ChoiceInvalid, match=says):
        read_letters(arguments, TOPICS)


def test_a_short_id_fits_in_any_topic_and_a_full_one_in_its_own():
    assert LetterId(None, 1, 3).fits(letter())
    assert LetterId("llm.summarize.dead", 1, 3).fits(letter())
    assert not LetterId("llm.chat.dead", 1, 3).fits(letter())
    assert not LetterId(None, 3, 1).fits(letter())
