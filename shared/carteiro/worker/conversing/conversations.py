"""Conversations that the service keeps: what was said before goes before what a request says.

They are in memory for the partitions that are served here, and in a topic for whoever serves them next.
"""

import asyncio
import time
from dataclasses import dataclass, field

import structlog
from aiokafka.errors import KafkaError

from carteiro.schemas import ChatRequest, FieldError
from carteiro.wire.conversation import History, UnknownForm, read_history
from carteiro.wire.envelope import Envelope
from carteiro.worker.conversing.deletions import Deletions
from carteiro.worker.conversing.new_turn import MOST_BYTES, Kept, NewTurn, Run
from carteiro.worker.delivery.ledger import Ledger
from carteiro.worker.intake import Rejected, rejection
from carteiro.worker.kafka.compacted_topic import CompactedTopic, TopicUnusable

log = structlog.get_logger("carteiro.worker")

_PATIENCE_SECONDS = 30.0
"""How long a partition waits for its conversations before it is served without them."""
_PAUSE_SECONDS = 1.0
_TRY_AGAIN_SECONDS = 10.0


@dataclass(slots=True)
class _Partition:
    kept: Kept = field(default_factory=Kept)
    problem: str | None = None
    """Why its conversations cannot be kept."""
    tried_at: float = 0.0
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class Conversations:
    """The conversations of the partitions that are served here.

    `most_tokens` bounds the prompt where the model does not say how much it reads.
    """

    def __init__(self, topic: CompactedTopic, most_tokens: int) -> None:
        self._topic, self._most_tokens = topic, most_tokens
        self._partitions: dict[int, _Partition] = {}
        self._deletions = Deletions(topic.name, topic.options, self._deleted)
        self.watch = self._deletions.run
        """Notices conversations that are deleted, until cancelled."""

    async def prepare(self, partition: int) -> Ledger | None:
        """A partition is about to be served: read what is kept for it. Where that cannot be had it is served anyway;
        only requests of conversations are turned down.
        """
        here = self._partitions.setdefault(partition, _Partition())
        async with here.reading:
            until = time.monotonic() + _PATIENCE_SECONDS
            while not await self._read(partition, here, patient=time.monotonic() < until):  # noqa: ASYNC110
                await asyncio.sleep(_PAUSE_SECONDS)
        return None

    def forget(self, partition: int) -> None:
        """A partition is somebody else's by now."""
        self._partitions.pop(partition, None)
        self._deletions.leave(partition)

    async def begin(self, request: ChatRequest, envelope: Envelope, partition: int, run: Run) -> NewTurn:
        """The turn of a request with a `conversation_id`, once the one before it is delivered. Raises `Rejected`."""
        assert request.conversation_id is not None
        key = request.conversation_id.encode(errors="replace")
        if envelope.key != key:
            reason = "has to be the record's key, in UTF-8, which keeps the conversation's requests in order"
            raise rejection(FieldError(field="conversation_id", reason=reason))
        here = self._partitions[partition]
        if here.problem is not None:
            await self._read_once_more(partition, here)
        if here.problem is not None:
            raise Rejected("unsupported", f"conversation_id: conversations are not kept here now: {here.problem}")
        kept = here.kept
        while (before := kept.pending.get(key)) is not None:
            await before.settled.wait()
        try:
            history = read_history(kept.values[key]) if key in kept.values else History()
        except UnknownForm:
            raise Rejected(
                "unsupported",
                "conversation_id: what is kept of this conversation cannot be read by this version; update the "
                f"service, or delete the conversation by a record with this key and no value on {self._topic.name}",
            ) from None
        turn = NewTurn(kept, self._topic.name, partition, request, envelope, history, run, self._most_tokens)
        if (size := turn.least_bytes) > MOST_BYTES:
            reason = f"have {size:,} bytes; with conversation_id at most {MOST_BYTES:,}"
            raise Rejected("too_large", f"messages: {reason}", [FieldError(field="messages", reason=reason)])
        return turn

    async def _read(self, partition: int, here: _Partition, *, patient: bool) -> bool:
        """Read a partition; returns False where that failed and trying again may help, unless not patient."""
        try:
            (values, offset), problem = await self._topic.read(partition), None
            if self._partitions.get(partition) is here:
                self._deletions.follow(partition, offset)
        except TopicUnusable as error:
            values, problem = {}, str(error)
        except (KafkaError, OSError, AssertionError) as error:  # the last: the producer knows older partitions
            if patient:
                log.warning("cannot read conversations; trying again", topic=self._topic.name, reason=repr(error))
                return False
            values, problem = {}, f"{self._topic.name} cannot be read ({type(error).__name__})"
        if problem is not None:
            log.error("conversations cannot be kept; serving without", partition=partition, reason=problem)
        else:
            log.debug("read conversations", topic=self._topic.name, partition=partition, conversations=len(values))
        here.kept.read_anew(values)
        here.problem, here.tried_at = problem, time.monotonic()
        return True

    def _deleted(self, partition: int, key: bytes) -> None:
        if (here := self._partitions.get(partition)) is not None and here.kept.values.pop(key, None) is not None:
            log.info("a conversation was deleted", topic=self._topic.name, partition=partition)

    async def _read_once_more(self, partition: int, here: _Partition) -> None:
        async with here.reading:
            if here.problem is not None and time.monotonic() - here.tried_at > _TRY_AGAIN_SECONDS:
                await self._read(partition, here, patient=False)
