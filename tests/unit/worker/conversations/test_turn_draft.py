"""The turn of a request in its conversation: the prompt that it makes, and the history that it leaves."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from carteiro.schemas.chat import ChatAnswer, ChatMessage, ChatRequest
from carteiro.schemas.tools import EarlierToolCall, ToolCall
from carteiro.wire.conversation import History, Turn
from carteiro.wire.envelope import read_envelope
from carteiro.worker.conversations.turn_draft import TurnDraft
from tests.unit.wire.fake_record import FakeRecord


def make_turn(offset: int) -> Turn:
    messages = (
        ChatMessage(role="user", content=f"ask {offset}"),
        ChatMessage(role="assistant", content=f"re {offset}"),
    )
    return Turn(request_id=f"t/0/{offset}", messages=messages)


def make_draft(
    *offsets: int, offset: int = 9, system: str | None = None, old_system: str | None = None, key: bytes | None = None
) -> TurnDraft:
    """Return the turn of the request at `offset` after the turns of the requests at `offsets`."""
    messages = [ChatMessage(role="system", content=system)] if system else []
    request = ChatRequest(conversation_id="guest", messages=[*messages, ChatMessage(role="user", content="now")])
    headers = () if key is None else (("idempotency_key", key),)
    envelope = read_envelope(FakeRecord(request.to_json(), headers, b"guest", "t", 0, offset))
    history = History(system=old_system, turns=tuple(make_turn(each) for each in offsets))
    return TurnDraft.after(history, request, envelope)


def prompt(draft: TurnDraft) -> list[str]:
    return [message.content for message in draft.full_request.messages]


def stored_ids(draft: TurnDraft) -> list[str]:
    return [turn.request_id for turn in draft.history.turns]


def test_prompt_has_the_earlier_messages_before_the_new_ones() -> None:
    assert prompt(make_draft(1, 2)) == ["ask 1", "re 1", "ask 2", "re 2", "now"]


def test_new_system_message_replaces_the_stored_one() -> None:
    assert prompt(make_draft(old_system="Be kind."))[0] == "Be kind."
    assert prompt(make_draft(old_system="Be kind.", system="Be brief.")) == ["Be brief.", "now"]
    assert make_draft(old_system="Be kind.", system="Be brief.").history.system == "Be brief."


def test_answer_is_the_last_message_of_its_turn() -> None:
    draft = make_draft(1)
    answered = draft.answered(ChatAnswer(content="so"))
    assert [message.content for message in answered.history.turns[-1].messages] == ["now", "so"]
    assert [message.content for message in draft.history.turns[-1].messages] == ["now"]


def test_turn_of_a_request_that_is_served_again_takes_its_old_place() -> None:
    draft = make_draft(1, 9, 12)
    assert prompt(draft) == ["ask 1", "re 1", "now"]
    assert stored_ids(draft) == ["t/0/1", "t/0/9", "t/0/12"]
    assert draft.is_in(History(turns=(make_turn(9),)))
    assert not draft.is_in(History(turns=(make_turn(8),)))


def test_request_that_is_sent_again_replaces_its_first_sending() -> None:
    first = make_draft(1, offset=5, key=b"k")
    again = make_draft(1, offset=6, key=b"k")
    assert again.is_in(first.history)
    assert not make_draft(1, offset=6, key=b"another").is_in(first.history)


def test_prompt_that_is_too_large_loses_the_older_half_each_time() -> None:
    draft: TurnDraft | None = make_draft(1, 2, 3, 4, 5)
    kept = []
    while draft is not None:
        kept.append(len(draft.earlier))
        draft = draft.with_shorter_prompt()
    assert kept == [5, 2, 1, 0]


def test_record_that_is_too_large_loses_the_older_half_of_all_other_turns() -> None:
    draft: TurnDraft | None = make_draft(1, 2, 9, 11, 12)
    kept = []
    while draft is not None:
        kept.append(stored_ids(draft))
        draft = draft.shortened()
    assert kept == [
        ["t/0/1", "t/0/2", "t/0/9", "t/0/11", "t/0/12"],
        ["t/0/9", "t/0/11", "t/0/12"],
        ["t/0/9", "t/0/12"],
        ["t/0/9"],
    ]


@given(st.integers(0, 12), st.integers(0, 300))
def test_fitted_prompt_keeps_the_newest_turns_and_stores_no_others(count: int, max_tokens: int) -> None:
    draft = make_draft(*range(count), offset=50, system="Be kind.")
    fitted = draft.fitted(max_tokens, lambda text: len(text.split()))
    assert fitted.earlier == draft.earlier[count - len(fitted.earlier) :]
    assert prompt(fitted)[0] == "Be kind."
    assert stored_ids(fitted) == [*(turn.request_id for turn in fitted.earlier), "t/0/50"]
    assert fitted.fitted(max_tokens, lambda text: len(text.split())) == fitted
    assert len(draft.earlier) == count


def test_turn_alone_has_only_the_request() -> None:
    assert stored_ids(make_draft(1, 9, 12).minimal) == ["t/0/9"]


CALL = EarlierToolCall(id="a", name="clock", arguments={})
ASKED = Turn(
    request_id="t/0/5",
    messages=(
        ChatMessage(role="user", content="time?"),
        ChatMessage(role="assistant", content="", tool_calls=[CALL]),
    ),
)


def result_draft(*earlier: Turn) -> TurnDraft:
    """Return the turn of a request with the result of a tool."""
    message = ChatMessage(role="tool", content="12:00", tool_call_id="a")
    request = ChatRequest(conversation_id="guest", messages=[message])
    envelope = read_envelope(FakeRecord(request.to_json(), (), b"guest", "t", 0, 9))
    return TurnDraft.after(History(turns=earlier), request, envelope)


def test_results_of_tools_keep_their_calls_however_short_the_prompt_is() -> None:
    draft = result_draft(make_turn(1), make_turn(2), ASKED)
    assert draft.problem is None
    assert draft.fitted(0, len).earlier == (ASKED,)
    assert draft.minimal.earlier == (ASKED,)
    shorter = draft.with_shorter_prompt()
    assert shorter is not None
    assert shorter.earlier == (make_turn(2), ASKED)
    assert stored_ids(shorter) == ["t/0/2", "t/0/5", "t/0/9"]
    last = shorter.shortened()
    assert last is not None
    assert stored_ids(last) == ["t/0/5", "t/0/9"]
    assert (last.shortened(), last.with_shorter_prompt()) == (None, None)


def test_results_are_not_shown_without_their_calls() -> None:
    results = Turn(request_id="t/0/6", messages=result_draft(ASKED).request.messages)
    noon = ChatMessage(role="assistant", content="Noon.")
    answered = results.model_copy(update={"messages": (*results.messages, noon)})
    draft = make_draft(offset=9)
    with_results = TurnDraft(draft.request, "t/0/9", None, None, (ASKED, answered, make_turn(7)), ())
    shorter = with_results.with_shorter_prompt()
    assert shorter is not None
    assert shorter.earlier == (make_turn(7),)


def test_calls_without_results_and_results_without_calls_are_a_problem() -> None:
    assert "no call before it" in str(result_draft().problem)
    assert "have to come before it" in str(TurnDraft(make_draft().request, "t/0/9", None, None, (ASKED,), ()).problem)


def test_calls_of_an_answer_are_stored() -> None:
    answer = ChatAnswer(content="", tool_calls=[ToolCall(id="a", name="clock", arguments={})])
    assert make_draft().answered(answer).history.turns[-1].messages[-1].tool_calls == [CALL]


def test_only_the_newest_files_are_read_again() -> None:
    draft = make_draft(*range(1, 5))
    parts = [[{"uri": f"s3://a/{turn}-{file}"} for file in range(8)] for turn in range(4)]
    messages = [ChatMessage.model_validate({"role": "user", "content": each}) for each in parts]
    turns = tuple(
        turn.model_copy(update={"messages": (message, turn.messages[1])})
        for turn, message in zip(draft.earlier, messages, strict=True)
    )
    files = replace(draft, earlier=turns).earlier_files
    assert len(files) == 20
    assert {each.partition("a/")[2][0] for each in files[:8]} == {"3"}
    assert {each.partition("a/")[2][0] for each in files[16:]} == {"1"}
