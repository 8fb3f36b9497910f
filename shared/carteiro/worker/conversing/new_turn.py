"""One request's turn in a conversation that is kept, from its beginning until its reply is delivered."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from carteiro.models.failures import PromptTooLarge
from carteiro.models.interface import Model
from carteiro.schemas import ChatAnswer, ChatMessage, ChatRequest
from carteiro.wire.conversation import History, Turn, UnknownForm, conversation_record, read_history, sending_of
from carteiro.wire.envelope import Envelope
from carteiro.wire.record import OutgoingRecord
from carteiro.worker.conversing.trimming import newest_that_fit, room_for_prompt
from carteiro.worker.task import Done

MOST_BYTES = 768 * 1024
"""Largest record of a conversation whose last turn alone is not larger; Kafka takes 1 MiB unless told otherwise."""

Run = Callable[[ChatRequest, Any], Awaitable[Done[Any]]]


@dataclass(slots=True)
class Kept:
    """The conversations of one partition, by their records' keys."""

    values: dict[bytes, bytes] = field(default_factory=dict)
    """As they are in the topic: most conversations are not going on at any time."""
    pending: "dict[bytes, NewTurn]" = field(default_factory=dict)
    """Turns whose delivery is not confirmed."""
    reads: int = 0
    """How often the topic was read."""

    def read_anew(self, values: dict[bytes, bytes]) -> None:
        """The topic was read. What is pending may be in it, if another owner of the partition has delivered it."""
        self.values = values
        self.reads += 1


class NewTurn:
    """A request's turn, and the conversation with it.

    A request that was served, or sent, before has a turn already: the new one takes its place.
    """

    def __init__(
        self,
        kept: Kept,
        topic: str,
        partition: int,
        request: ChatRequest,
        envelope: Envelope,
        history: History,
        run: Run,
        most_tokens: int,
    ) -> None:
        assert envelope.key is not None
        self._kept, self._topic, self._partition, self._key = kept, topic, partition, envelope.key
        self._request, self._run, self._most_tokens = request, run, most_tokens
        self._id, self._sending = envelope.request_id, sending_of(envelope)
        first = request.messages[0]
        self._system = first.content if first.role == "system" else history.system
        self._new = tuple(message for message in request.messages if message.role != "system")
        self._earlier, self._later = history.around(self._id, self._sending)
        self._shown = self._earlier
        """The earlier turns that the model was shown; the others are not kept."""
        self._answer: tuple[ChatMessage, ...] = ()
        self._reads = kept.reads
        self.record = self._record()
        """What keeps the conversation with this turn; to be delivered once there is an answer."""
        self.settled = asyncio.Event()
        """Set once the conversation is as this turn leaves it."""

    @property
    def least_bytes(self) -> int:
        """The size of a record with nothing in it but this request's messages."""
        return len(self._record(turns=False).value or b"")

    @property
    def whole(self) -> ChatRequest:
        """The request with all that is kept of the conversation before its own messages."""
        return self._after(self._earlier)

    async def run(self, model: Model) -> Done[Any]:
        """The task's result from as much of the conversation as the model has room for. Raises what the task does."""
        room = room_for_prompt(model.context_tokens, self._request.options.max_output_tokens, self._most_tokens)
        always = self._after(()).messages
        self._shown = await asyncio.to_thread(newest_that_fit, self._earlier, always, room, model.count_tokens)
        while True:
            try:
                return await self._run(self._after(self._shown), model)
            except PromptTooLarge:
                # The count is an estimate, and a provider's limit may be lower than the setting.
                if not self._shown:
                    raise
                self._shown = self._shown[(len(self._shown) + 1) // 2 :]

    def answered(self, answer: ChatAnswer) -> None:
        """There is an answer: `record` is now to be delivered with the reply."""
        self._answer = (ChatMessage(role="assistant", content=answer.content),)
        self.record = self._record()
        while len(self.record.value or b"") > MOST_BYTES and self.shorten():
            pass

    def shorten(self) -> bool:
        """Have `record` keep the newer half of the other turns. Returns whether there was one."""
        others = (*self._shown, *self._later)
        if not others:
            return False
        dropped = (len(others) + 1) // 2
        self._later = self._later[max(dropped - len(self._shown), 0) :]
        self._shown = self._shown[dropped:]
        self.record = self._record()
        return True

    def handed_over(self) -> None:
        """The reply is on its way: the conversation's next request has to wait for it."""
        self._reads = self._kept.reads
        self._kept.pending[self._key] = self

    def confirmed(self) -> None:
        """The reply and the record are delivered."""
        if not (self._kept.reads > self._reads and self._is_kept()):
            assert self.record.value is not None
            self._kept.values[self._key] = self.record.value
        self.dropped()

    def dropped(self) -> None:
        """An error is given instead: the conversation stays as it was."""
        if self._kept.pending.get(self._key) is self:
            del self._kept.pending[self._key]
        self.settled.set()

    def _is_kept(self) -> bool:
        # Another owner of the partition has answered the request, and maybe others after it.
        if (value := self._kept.values.get(self._key)) is None:
            return False
        try:
            return any(turn.is_of(self._id, self._sending) for turn in read_history(value).turns)
        except UnknownForm:
            return True

    def _after(self, turns: tuple[Turn, ...]) -> ChatRequest:
        system = [] if self._system is None else [ChatMessage(role="system", content=self._system)]
        messages = [*system, *(message for turn in turns for message in turn.messages), *self._new]
        return self._request.model_copy(update={"messages": messages})

    def _record(self, *, turns: bool = True) -> OutgoingRecord:
        mine = Turn(request_id=self._id, sending=self._sending, messages=(*self._new, *self._answer))
        all_turns = (*self._shown, mine, *self._later) if turns else (mine,)
        history = History(system=self._system, turns=all_turns)
        return conversation_record(self._topic, self._partition, self._key, history)
