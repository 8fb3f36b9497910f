"""The turn that is stored together with the outcome of its request."""

from dataclasses import replace
from typing import Any, cast

import pytest

from carteiro.models.errors import PromptTooLarge
from carteiro.models.interface import Model
from carteiro.schemas import Usage
from carteiro.schemas.chat import ChatAnswer, ChatRequest, ChatResult
from carteiro.schemas.collection import Passage
from carteiro.tasks.task import TaskOutput
from carteiro.wire.conversation import History, read_history
from carteiro.worker.conversations.pending_turn import MAX_RECORD_BYTES, PartitionConversations, PendingTurn
from tests.unit.worker.conversations.test_turn_draft import make_draft

KEY = b"guest"


class FakeModel:
    """Model whose context has `context_tokens`. It counts words."""

    def __init__(self, context_tokens: int | None = None) -> None:
        self.context_tokens = context_tokens

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    @property
    def interface(self) -> Model:
        return cast("Model", self)


class FakeTask:
    """Task that answers, after each of `failures` was raised, and keeps the prompts."""

    def __init__(self, *failures: Exception) -> None:
        self.failures, self.prompts = list(failures), list[list[str]]()

    async def run(self, request: ChatRequest, model: Any) -> TaskOutput[Any]:
        self.prompts.append([message.content for message in request.messages])
        if self.failures:
            raise self.failures.pop(0)
        return TaskOutput(ChatResult(message=ChatAnswer(content="so")), Usage())


def make_pending(
    *offsets: int, conversations: PartitionConversations | None = None, task: FakeTask | None = None
) -> PendingTurn:
    draft = make_draft(*offsets)
    run = (task or FakeTask()).run
    return PendingTurn(conversations or PartitionConversations(), "t.conversations", 3, KEY, draft, run, 8000)


def stored_ids(turn: PendingTurn) -> list[str]:
    return [each.request_id for each in read_history(turn.record.value or b"").turns]


def test_record_stores_the_conversation_with_the_turn() -> None:
    turn = make_pending(1, 2)
    turn.set_answer(ChatAnswer(content="so"))
    assert (turn.record.topic, turn.record.partition, turn.record.key) == ("t.conversations", 3, KEY)
    assert stored_ids(turn) == ["t/0/1", "t/0/2", "t/0/9"]


async def test_turns_that_the_model_was_not_shown_are_not_stored_again() -> None:
    task = FakeTask()
    turn = make_pending(*range(9), task=task)
    await turn.run(FakeModel(context_tokens=120).interface)
    turn.set_answer(ChatAnswer(content="so"))
    shown = len(task.prompts[0]) // 2
    assert 0 < shown < 9
    assert len(stored_ids(turn)) == shown + 1


async def test_prompt_that_a_model_refuses_is_shortened_and_the_next_model_sees_all() -> None:
    task = FakeTask(*[PromptTooLarge("no")] * 3)
    turn = make_pending(1, 2, task=task)
    with pytest.raises(PromptTooLarge):
        await turn.run(FakeModel().interface)
    assert [len(prompt) for prompt in task.prompts] == [5, 3, 1]
    await turn.run(FakeModel().interface)
    assert len(task.prompts[-1]) == 5


def test_record_that_is_too_large_loses_the_oldest_turns() -> None:
    turn = make_pending(1, 2, 3)
    turn.set_answer(ChatAnswer(content="x" * (MAX_RECORD_BYTES - 400)))
    assert len(turn.record.value or b"") <= MAX_RECORD_BYTES
    assert stored_ids(turn)[-1] == "t/0/9"
    assert len(stored_ids(turn)) < 4


def test_shortened_turn_is_another_turn_with_the_same_end() -> None:
    turn = make_pending(1, 2)
    shorter = turn.shortened()
    assert shorter is not None
    assert (stored_ids(turn), stored_ids(shorter)) == (["t/0/1", "t/0/2", "t/0/9"], ["t/0/2", "t/0/9"])
    turn.on_queued()
    shorter.on_acknowledged()
    assert turn.settled.is_set()
    assert make_pending().shortened() is None


def test_next_turn_waits_until_this_one_is_acknowledged() -> None:
    conversations = PartitionConversations()
    turn = make_pending(conversations=conversations)
    turn.on_queued()
    assert conversations.pending_turns == {KEY: turn}
    assert not turn.settled.is_set()
    turn.on_acknowledged()
    assert conversations.pending_turns == {}
    assert conversations.values == {KEY: turn.record.value}
    assert turn.settled.is_set()


def test_discarded_turn_leaves_the_conversation_unchanged() -> None:
    conversations = PartitionConversations({KEY: b"old"})
    turn = make_pending(conversations=conversations)
    turn.on_queued()
    turn.discard()
    assert conversations.values == {KEY: b"old"}
    assert conversations.pending_turns == {}
    assert turn.settled.is_set()


@pytest.mark.parametrize(
    ("reloaded", "is_replaced"),
    [
        (make_draft(1).history.model_dump_json().encode(), False),
        (History().model_dump_json().encode(), True),
        (b"of a later version", False),
    ],
)
def test_newer_conversation_of_another_owner_is_not_overwritten(reloaded: bytes, is_replaced: bool) -> None:
    conversations = PartitionConversations()
    turn = make_pending(conversations=conversations)
    turn.on_queued()
    conversations.reload({KEY: reloaded})
    turn.on_acknowledged()
    assert conversations.values == {KEY: turn.record.value if is_replaced else reloaded}


def test_smallest_record_has_only_the_messages_of_the_request() -> None:
    assert make_pending(1, 2).min_record_bytes == make_pending().min_record_bytes


async def test_passages_take_a_part_of_the_conversation_and_are_not_stored() -> None:
    def prompt_messages(words: int) -> tuple[FakeTask, PendingTurn]:
        task = FakeTask()
        turn = make_pending(*range(100, 140), task=task)
        found = turn._opened.request.with_passages((Passage("k", "word " * words),))
        turn._opened = replace(turn._opened, request=found)
        return task, turn

    counts = []
    for words in (1, 200, 100_000):
        task, turn = prompt_messages(words)
        await turn.run(FakeModel(600).interface)
        counts.append(len(task.prompts[0]))
        turn.set_answer(ChatAnswer(content="so"))
        assert b"word word" not in (turn.record.value or b"")
    assert counts[0] > counts[1] >= counts[2] > 1
