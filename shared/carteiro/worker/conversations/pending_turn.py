"""The turn of one request in a stored conversation, until its reply is delivered."""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from carteiro.models.errors import PromptTooLarge
from carteiro.models.interface import Model
from carteiro.schemas.chat import ChatAnswer, ChatRequest
from carteiro.schemas.collection import Passage
from carteiro.tasks.passages import count_passage_tokens
from carteiro.tasks.task import TaskOutput
from carteiro.wire.conversation import UnknownHistoryFormat, conversation_record, read_history
from carteiro.wire.record import OutgoingRecord
from carteiro.worker.conversations.trimming import prompt_token_limit
from carteiro.worker.conversations.turn_draft import TurnDraft

MAX_RECORD_BYTES = 768 * 1024
"""Largest record of a conversation with more than one turn, in bytes. Kafka's default limit is 1 MiB."""

RunTask = Callable[[ChatRequest, Any], Awaitable[TaskOutput[Any]]]


@dataclass(slots=True)
class PartitionConversations:
    """Conversations of one partition, by their record keys."""

    values: dict[bytes, bytes] = field(default_factory=dict)
    """Record values as they are in the topic. They are not parsed, as most conversations are idle at any time."""
    pending_turns: "dict[bytes, PendingTurn]" = field(default_factory=dict)
    """Turns whose delivery is not acknowledged."""
    read_count: int = 0
    """Number of times that the topic was read."""

    def reload(self, values: dict[bytes, bytes]) -> None:
        """Replace the values by those of a new read of the topic.

        They may contain pending turns, if another owner of the partition has delivered them.
        """
        self.values = values
        self.read_count += 1


class PendingTurn:
    """Turn that is stored together with the outcome of its request."""

    def __init__(
        self,
        conversations: PartitionConversations,
        topic: str,
        partition: int,
        key: bytes,
        draft: TurnDraft,
        run_task: RunTask,
        max_tokens: int,
    ) -> None:
        self._conversations, self._topic, self._partition, self._key = conversations, topic, partition, key
        self._opened, self._run_task, self._max_tokens = draft, run_task, max_tokens
        self._draft = draft
        """The turn with the earlier turns that the model was shown last."""
        self._read_count = conversations.read_count
        self.record = self._record_of(draft)
        """The record that stores the conversation with this turn. It is delivered together with the reply."""
        self.settled = asyncio.Event()
        """Set when the turn is stored or discarded. The conversation's next turn waits for it."""

    @property
    def min_record_bytes(self) -> int:
        """Bytes of a record with only this request's messages."""
        return len(self._record_of(self._opened.minimal).value or b"")

    @property
    def full_request(self) -> ChatRequest:
        """The request with all earlier messages of the conversation before its own."""
        return self._opened.full_request

    @property
    def earlier_files(self) -> list[str]:
        """The addresses of the newest files in the earlier turns, the newest first."""
        return self._opened.earlier_files

    def add_contents(self, contents: Mapping[str, bytes]) -> None:
        """Give the files of the earlier turns their contents, by their addresses. It takes time: use a thread."""
        self._opened = self._draft = self._opened.with_contents(contents)

    def add_passages(self, passages: tuple[Passage, ...]) -> None:
        """Give the request the passages that were found for it. They are not stored."""
        self._opened = self._draft = self._opened.with_passages(passages)

    async def run(self, model: Model) -> TaskOutput[Any]:
        """Return the task's output for the newest part of the conversation that fits the model's context.

        The passages of a collection may take half of it, and the request's tools too.

        Raise any error of the task.
        """
        max_output_tokens = self._opened.request.options.max_output_tokens
        max_tokens = prompt_token_limit(model.context_tokens, max_output_tokens, self._max_tokens)
        passages = self._opened.request.passages
        passage_tokens = await asyncio.to_thread(count_passage_tokens, passages, model.count_tokens)
        max_tokens -= min(passage_tokens, max_tokens // 2)
        if tools := self._opened.request.tools:
            defined = "".join(tool.model_dump_json() for tool in tools)
            max_tokens -= min(await asyncio.to_thread(model.count_tokens, defined), max_tokens // 2)
        self._draft = await asyncio.to_thread(self._opened.fitted, max_tokens, model.count_tokens)
        while True:
            try:
                return await self._run_task(self._draft.full_request, model)
            except PromptTooLarge:
                # The count is an estimate, and a provider's limit may be lower than the setting.
                if (shorter := self._draft.with_shorter_prompt()) is None:
                    raise
                self._draft = shorter

    def set_answer(self, answer: ChatAnswer) -> None:
        """Add the answer to `record`, and shorten the conversation if it is too large."""
        self._set_draft(self._draft.answered(answer))
        while len(self.record.value or b"") > MAX_RECORD_BYTES and (shorter := self._draft.shortened()) is not None:
            self._set_draft(shorter)

    def shortened(self) -> "PendingTurn | None":
        """Return this turn with a record without the older half of the other turns; None if there is no other turn."""
        if (shorter := self._draft.shortened()) is None:
            return None
        turn = copy.copy(self)
        turn._set_draft(shorter)  # noqa: SLF001  # a copy of this object
        return turn

    def on_queued(self) -> None:
        """Make the conversation's next request wait until this turn is settled."""
        if not self._is_pending:
            self._read_count = self._conversations.read_count
        self._conversations.pending_turns[self._key] = self

    def on_acknowledged(self) -> None:
        """Store the conversation with this turn: the reply and the record are delivered."""
        if not (self._conversations.read_count > self._read_count and self._is_stored()):
            assert self.record.value is not None
            self._conversations.values[self._key] = self.record.value
        self.discard()

    def discard(self) -> None:
        """End the turn, so that the conversation's next turn may begin. The stored conversation stays unchanged."""
        if self._is_pending:
            del self._conversations.pending_turns[self._key]
        self.settled.set()

    @property
    def _is_pending(self) -> bool:
        """True if the next turn waits for this one, or for one with a longer or shorter record."""
        pending = self._conversations.pending_turns.get(self._key)
        return pending is not None and pending.settled is self.settled

    def _is_stored(self) -> bool:
        # Another owner of the partition may have answered this request, and later ones, in the meantime.
        if (value := self._conversations.values.get(self._key)) is None:
            return False
        try:
            return self._draft.is_in(read_history(value))
        except UnknownHistoryFormat:
            return True

    def _set_draft(self, draft: TurnDraft) -> None:
        self._draft, self.record = draft, self._record_of(draft)

    def _record_of(self, draft: TurnDraft) -> OutgoingRecord:
        return conversation_record(self._topic, self._partition, self._key, draft.history)
