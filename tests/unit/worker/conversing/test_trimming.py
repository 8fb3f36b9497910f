"""What of a conversation a model is shown, whatever the conversation and the model's room."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.schemas import ChatMessage
from carteiro.wire.conversation import Turn
from carteiro.worker.conversing.trimming import newest_that_fit, room_for_prompt


def count(text: str) -> int:
    return len(text.split())


def messages(*roles: str):
    words = st.integers(1, 30).map(lambda number: "word " * number)
    return st.tuples(*(st.builds(ChatMessage, role=st.just(role), content=words) for role in roles))


turns = st.lists(st.builds(Turn, request_id=st.text(), messages=messages("user", "assistant")), max_size=12)


def size(several) -> int:
    """What the messages have in a chat template, at most."""
    return sum(count(message.content) + 8 for message in several)


@given(turns, messages("system", "user"), st.integers(-50, 600))
def test_the_newest_turns_are_shown_as_many_as_there_is_room_for(several, always, room):
    shown = newest_that_fit(several, always, room, count)
    assert list(shown) == several[len(several) - len(shown) :], "the newest, whole, in their order"
    if shown:
        assert 32 + size(always) + sum(size(turn.messages) for turn in shown) <= room
    if len(shown) < len(several):
        assert newest_that_fit(several, always, room + 10_000, count) == tuple(several)


@given(turns, messages("user"), st.integers(0, 600), st.integers(0, 600))
def test_more_room_shows_no_less(several, always, room, more):
    assert len(newest_that_fit(several, always, room, count)) <= len(
        newest_that_fit(several, always, room + more, count)
    )


@given(turns, messages("user"), st.integers(0, 600))
def test_a_turn_is_left_out_only_for_want_of_room(several, always, room):
    shown = newest_that_fit(several, always, room, count)
    if len(shown) < len(several):
        one_more = several[len(several) - len(shown) - 1 :]
        assert 32 + size(always) + sum(size(turn.messages) for turn in one_more) > room


@pytest.mark.parametrize(
    ("context", "answer", "room"),
    [(None, None, 8000), (None, 50, 8000), (8192, None, 7168), (8192, 50, 8142), (400, None, 300)],
)
def test_an_answer_keeps_its_room(context, answer, room):
    assert room_for_prompt(context, answer, 8000) == room
