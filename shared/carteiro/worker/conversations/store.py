"""The store of conversations: earlier messages are put before the messages of a request.

The conversations of this worker's partitions are in memory. They are also in a compacted topic, for the next owner.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog
from aiokafka.errors import KafkaError

from carteiro.concurrency.backoff import Backoff
from carteiro.kafka.compacted_topic import CompactedTopic, TopicUnusable
from carteiro.ledger.ledger import Ledger
from carteiro.schemas import FieldError
from carteiro.schemas.chat import ChatRequest
from carteiro.wire.conversation import History, UnknownHistoryFormat, read_history
from carteiro.wire.envelope import Envelope
from carteiro.worker.conversations.pending_turn import MAX_RECORD_BYTES, PartitionConversations, PendingTurn, RunTask
from carteiro.worker.conversations.tombstones import TombstoneWatcher
from carteiro.worker.conversations.turn_draft import TurnDraft
from carteiro.worker.parsing import RequestRejected, invalid_field

log = structlog.get_logger("carteiro.worker")

_LOAD_TIMEOUT_SECONDS = 30.0
"""Longest time to read a partition's conversations; after it the partition is served without them."""
_FIRST_PAUSE, _MAX_PAUSE = 1.0, 5.0
_TRY_AGAIN_SECONDS = 10.0


@dataclass(slots=True)
class _PartitionState:
    conversations: PartitionConversations = field(default_factory=PartitionConversations)
    problem: str | None = None
    """Reason why the partition's conversations cannot be stored; None if they can."""
    read_at: float = 0.0
    read_lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class ConversationStore:
    """Conversations of the partitions that this worker serves.

    `max_tokens` limits the prompt (tokens) if the model's context length is not known.
    """

    def __init__(
        self,
        topic: CompactedTopic,
        max_tokens: int,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._topic, self._max_tokens, self._now, self._sleep = topic, max_tokens, now, sleep
        self._partitions: dict[int, _PartitionState] = {}
        self._tombstones = TombstoneWatcher(topic.name, topic.options, self._on_tombstone)
        self.watch_deletions = self._tombstones.run
        """Watch for deleted conversations until cancelled."""

    async def load(self, partition: int) -> Ledger | None:
        """Read the conversations of a partition before it is served.

        If they cannot be read, the partition is served without them: only requests with a `conversation_id` are
        rejected. Return None: conversations need no ledger of their own.
        """
        state = self._partitions.setdefault(partition, _PartitionState())
        async with state.read_lock:
            deadline, backoff = (
                self._now() + _LOAD_TIMEOUT_SECONDS,
                Backoff(_FIRST_PAUSE, _MAX_PAUSE, sleep=self._sleep),
            )
            while not await self._read(partition, state, retry=self._now() < deadline):
                await backoff.pause()
        return None

    def unload(self, partition: int) -> None:
        """Forget a partition that was lost to another owner."""
        self._partitions.pop(partition, None)
        self._tombstones.unwatch(partition)

    async def open_turn(
        self, request: ChatRequest, envelope: Envelope, partition: int, run_task: RunTask
    ) -> PendingTurn:
        """Return the turn of a request with a `conversation_id`, after the turn before it is delivered.

        Raise `RequestRejected` if the record key differs from the id, if conversations cannot be stored here, or if the
        request is too large for a record.
        """
        assert request.conversation_id is not None
        key = request.conversation_id.encode(errors="replace")
        if envelope.key != key:
            reason = "has to be the record's key, in UTF-8, which keeps the conversation's requests in order"
            raise invalid_field(FieldError(field="conversation_id", reason=reason))
        state = self._partitions[partition]
        if state.problem is not None:
            await self._retry_read(partition, state)
        if state.problem is not None:
            raise RequestRejected(
                "unsupported", f"conversation_id: conversations are not kept here now: {state.problem}"
            )
        conversations = state.conversations
        while (earlier_turn := conversations.pending_turns.get(key)) is not None:
            await earlier_turn.settled.wait()
        try:
            history = read_history(conversations.values[key]) if key in conversations.values else History()
        except UnknownHistoryFormat:
            raise RequestRejected(
                "unsupported",
                "conversation_id: what is kept of this conversation cannot be read by this version; update the "
                f"service, or delete the conversation by a record with this key and no value on {self._topic.name}",
            ) from None
        draft = TurnDraft.after(history, request, envelope)
        if problem := draft.problem:
            raise invalid_field(FieldError(field="messages", reason=f"with the stored ones before them: {problem}"))
        turn = PendingTurn(conversations, self._topic.name, partition, key, draft, run_task, self._max_tokens)
        if (size := turn.min_record_bytes) > MAX_RECORD_BYTES:
            reason = f"have {size:,} bytes; with conversation_id at most {MAX_RECORD_BYTES:,}"
            raise RequestRejected("too_large", f"messages: {reason}", [FieldError(field="messages", reason=reason)])
        return turn

    async def _read(self, partition: int, state: _PartitionState, *, retry: bool) -> bool:
        """Read a partition's conversations. Return False if the read failed and `retry` is True.

        Without `retry` the partition is marked as one without conversations.
        """
        try:
            (values, offset), problem = await self._topic.read(partition), None
            if self._partitions.get(partition) is state:
                self._tombstones.watch(partition, offset)
        except TopicUnusable as error:
            values, problem = {}, str(error)
        # AssertionError: the producer's metadata is older than the partition.
        except (KafkaError, OSError, AssertionError) as error:
            if retry:
                log.warning("cannot read conversations; trying again", topic=self._topic.name, reason=repr(error))
                return False
            values, problem = {}, f"{self._topic.name} cannot be read ({type(error).__name__})"
        if problem is not None:
            log.error("conversations cannot be kept; serving without", partition=partition, reason=problem)
        else:
            log.debug("read conversations", topic=self._topic.name, partition=partition, conversations=len(values))
        state.conversations.reload(values)
        state.problem, state.read_at = problem, self._now()
        return True

    def _on_tombstone(self, partition: int, key: bytes) -> None:
        if (state := self._partitions.get(partition)) is not None and state.conversations.values.pop(
            key, None
        ) is not None:
            log.info("a conversation was deleted", topic=self._topic.name, partition=partition)

    async def _retry_read(self, partition: int, state: _PartitionState) -> None:
        async with state.read_lock:
            if state.problem is not None and self._now() - state.read_at > _TRY_AGAIN_SECONDS:
                await self._read(partition, state, retry=False)
