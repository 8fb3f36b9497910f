"""The turn of a request in its conversation, before it is stored. Pure: no Kafka, no model calls."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice

from carteiro.schemas.chat import ChatAnswer, ChatMessage, ChatRequest, tool_results_problem
from carteiro.schemas.collection import Passage
from carteiro.schemas.large_content import replace_content
from carteiro.schemas.media_file import MediaInvalid
from carteiro.schemas.tools import EarlierToolCall
from carteiro.wire.conversation import History, Turn, idempotency_fingerprint
from carteiro.wire.envelope import Envelope
from carteiro.worker.conversations.trimming import fit_newest_turns

_MAX_EARLIER_FILES = 20
"""Maximum number of files of earlier turns that a model is shown again."""


@dataclass(frozen=True, slots=True)
class TurnDraft:
    """A request, its answer, and the other turns of its conversation.

    If the conversation already has a turn of this request (it was served or sent twice), the new turn replaces it.
    """

    request: ChatRequest
    request_id: str
    fingerprint: str | None
    """Fingerprint that all sendings of the request share; None without an idempotency key."""
    system: str | None
    """The system message; None without one."""
    earlier: tuple[Turn, ...]
    """Earlier turns that the model is shown. Only these are stored again."""
    later: tuple[Turn, ...]
    """Later turns, if the request was served before. The model is not shown them."""
    answer: tuple[ChatMessage, ...] = ()

    @classmethod
    def after(cls, history: History, request: ChatRequest, envelope: Envelope) -> "TurnDraft":
        """Return the turn of a request that continues a stored conversation."""
        request_id, fingerprint = envelope.request_id, idempotency_fingerprint(envelope)
        first = request.messages[0]
        system = first.text if first.role == "system" else history.system
        earlier, later = history.split_at(request_id, fingerprint)
        return cls(request, request_id, fingerprint, system, earlier, later)

    @property
    def full_request(self) -> ChatRequest:
        """The request with the earlier messages of the conversation before its own."""
        system = [] if self.system is None else [ChatMessage(role="system", content=self.system)]
        messages = [*system, *(message for turn in self.earlier for message in turn.messages), *self._new_messages]
        return self.request.model_copy(update={"messages": messages})

    @property
    def earlier_files(self) -> list[str]:
        """The addresses of the newest files in the earlier turns, the newest first."""
        messages = (message for turn in reversed(self.earlier) for message in reversed(turn.messages))
        addresses = (each.address for message in messages for each in message.attachments)
        return list(islice(dict.fromkeys(filter(None, addresses)), _MAX_EARLIER_FILES))

    def with_contents(self, contents: Mapping[str, bytes]) -> "TurnDraft":
        """Return this turn with the contents of the files in the earlier turns, by their addresses."""
        return replace(self, earlier=tuple(_with_contents(turn, contents) for turn in self.earlier))

    def with_passages(self, passages: tuple[Passage, ...]) -> "TurnDraft":
        """Return this turn with the passages that were found for its request."""
        return replace(self, request=self.request.with_passages(passages))

    @property
    def problem(self) -> str | None:
        """Reason why the request's results of tools do not fit the calls of the conversation; None if they do."""
        return tool_results_problem(self.full_request.messages)

    @property
    def history(self) -> History:
        """The conversation with this turn. Files that have an address keep it; others become notes."""
        messages = (*map(_without_data, self._new_messages), *self.answer)
        own_turn = Turn(request_id=self.request_id, sending=self.fingerprint, messages=messages)
        return History(system=self.system, turns=(*self.earlier, own_turn, *self.later))

    @property
    def minimal(self) -> "TurnDraft":
        """This turn without the others, but with the calls of tools whose results it has."""
        return replace(self, earlier=self.earlier[self._first_required :], later=())

    def fitted(self, max_tokens: int, count_tokens: Callable[[str], int]) -> "TurnDraft":
        """Return this turn with the newest earlier turns that fit a prompt of `max_tokens`."""
        first, required = self._first_required, self.minimal.full_request.messages
        fitting = fit_newest_turns(self.earlier[:first], required, max_tokens, count_tokens)
        return replace(self, earlier=_without_orphans((*fitting, *self.earlier[first:])))

    def with_shorter_prompt(self) -> "TurnDraft | None":
        """Return this turn without the older half of the earlier turns; None if there is no earlier turn."""
        if not (droppable := self._first_required):
            return None
        return replace(self, earlier=_without_orphans(self.earlier[(droppable + 1) // 2 :]))

    def shortened(self) -> "TurnDraft | None":
        """Return this turn without the older half of all other turns; None if there is no other turn."""
        first = self._first_required
        count = first + len(self.later)
        if not count:
            return None
        dropped = (count + 1) // 2
        later = self.later[max(dropped - first, 0) :]
        return replace(self, earlier=_without_orphans(self.earlier[min(dropped, first) :]), later=later)

    def answered(self, answer: ChatAnswer) -> "TurnDraft":
        """Return this turn with its answer."""
        calls = [EarlierToolCall(**call.model_dump()) for call in answer.tool_calls]
        return replace(self, answer=(ChatMessage(role="assistant", content=answer.content, tool_calls=calls),))

    def is_in(self, history: History) -> bool:
        """Return True if a conversation has a turn of this request, in this or an earlier sending."""
        return any(turn.belongs_to(self.request_id, self.fingerprint) for turn in history.turns)

    @property
    def _first_required(self) -> int:
        """Index of the first earlier turn that this turn cannot do without: its messages begin with results of tools,
        whose calls are in the turn before.
        """
        first, messages = len(self.earlier), self._new_messages
        while first and messages[0].role == "tool":
            first -= 1
            messages = self.earlier[first].messages
        return first

    @property
    def _new_messages(self) -> tuple[ChatMessage, ...]:
        return tuple(message for message in self.request.messages if message.role != "system")


def _without_data(message: ChatMessage) -> ChatMessage:
    inline = [each for each in message.attachments if each.address is None]
    return replace_content(message, {each: each.as_note("was shown and is not kept") for each in inline})


def _with_contents(turn: Turn, contents: Mapping[str, bytes]) -> Turn:
    read = {}
    for attachment in (each for message in turn.messages for each in message.attachments):
        if (content := contents.get(attachment.address or "")) is not None:
            with suppress(MediaInvalid):
                read[attachment] = attachment.with_content(content)
    messages = tuple(replace_content(message, read) for message in turn.messages)
    return turn.model_copy(update={"messages": messages}) if read else turn


def _without_orphans(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """Return the turns without the first ones that begin with the results of tools: their calls are not shown."""
    first = next((n for n, turn in enumerate(turns) if turn.messages[0].role != "tool"), len(turns))
    return turns[first:]
