"""The part of a conversation that a model is shown, for any conversation and any context window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.schemas.chat import ChatMessage
from carteiro.wire.conversation import Turn
from carteiro.worker.conversations.trimming import fit_newest_turns, prompt_token_limit
from tests import media


def count(text: str) -> int:
    return len(text.split())


def messages(*roles: str):
    words = st.integers(1, 30).map(lambda number: "word " * number)
    return st.tuples(*(st.builds(ChatMessage, role=st.just(role), content=words) for role in roles))


turns = st.lists(st.builds(Turn, request_id=st.text(), messages=messages("user", "assistant")), max_size=12)


def size(several) -> int:
    """Return the largest number of tokens that the messages have in a chat template."""
    return sum(count(message.content) + 8 for message in several)


@given(turns, messages("system", "user"), st.integers(-50, 600))
def test_newest_turns_are_shown_as_far_as_they_fit(several, always, room):
    shown = fit_newest_turns(several, always, room, count)
    assert list(shown) == several[len(several) - len(shown) :], "the newest, whole, in their order"
    if shown:
        assert 32 + size(always) + sum(size(turn.messages) for turn in shown) <= room
    if len(shown) < len(several):
        assert fit_newest_turns(several, always, room + 10_000, count) == tuple(several)


@given(turns, messages("user"), st.integers(0, 600), st.integers(0, 600))
def test_larger_context_shows_no_less(several, always, room, more):
    assert len(fit_newest_turns(several, always, room, count)) <= len(
        fit_newest_turns(several, always, room + more, count)
    )


@given(turns, messages("user"), st.integers(0, 600))
def test_turn_is_left_out_only_if_it_does_not_fit(several, always, room):
    shown = fit_newest_turns(several, always, room, count)
    if len(shown) < len(several):
        one_more = several[len(several) - len(shown) - 1 :]
        assert 32 + size(always) + sum(size(turn.messages) for turn in one_more) > room


@pytest.mark.parametrize(
    ("context", "answer", "room"),
    [(None, None, 8000), (None, 50, 8000), (8192, None, 7168), (8192, 50, 8142), (400, None, 300)],
)
def test_space_for_the_answer_is_reserved(context, answer, room):
    assert prompt_token_limit(context, answer, 8000) == room


def test_files_do_not_cost_their_turn() -> None:
    report = {"data": media.encoded(media.PDF)}
    seen = ChatMessage.model_validate({"role": "user", "content": [{"type": "text", "text": "a b"}, report]})
    turn = Turn(request_id="t/0/1", messages=(seen,))
    now = [ChatMessage(role="user", content="c")]
    needed = 32 + (1 + 8) + (2 + 8)
    assert fit_newest_turns([turn], now, needed, count) == (turn,)
    assert fit_newest_turns([turn], now, needed - 1, count) == ()
