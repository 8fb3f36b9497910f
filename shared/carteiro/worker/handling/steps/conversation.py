"""Continues a stored conversation."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from carteiro.schemas import OkReply
from carteiro.schemas.chat import ChatRequest
from carteiro.tasks.task import Task
from carteiro.worker.conversations.pending_turn import PendingTurn
from carteiro.worker.conversations.store import ConversationStore
from carteiro.worker.handling.request_context import RequestContext
from carteiro.worker.handling.steps.references import wait_for_store
from carteiro.worker.handling.steps.step import Handle

if TYPE_CHECKING:
    from carteiro.references.reader import ReferenceReader


@dataclass(frozen=True, slots=True)
class InConversation:
    """Adds the stored messages to a request with a `conversation_id`, and the answer to the conversation."""

    store: ConversationStore | None
    """Conversations of the task; None if it stores none."""
    task: Task[Any, Any]
    reader: "ReferenceReader | None" = None
    """Reader of the files of earlier turns. Those that cannot be read any more are left out."""

    async def __call__(self, context: RequestContext, handle: Handle) -> OkReply[Any]:
        request = context.request
        if self.store is None or not isinstance(request, ChatRequest) or request.conversation_id is None:
            return await handle(context)
        turn = context.turn = await self.store.open_turn(
            request, context.envelope, context.topic_partition[1], self.task.run
        )
        files = turn.earlier_files
        if not files or self.reader is None:
            return await self._continue(context, turn, handle)
        contents, reservation = await wait_for_store(partial(self.reader.read_available, files))
        with reservation:
            await asyncio.to_thread(turn.add_contents, contents)
            return await self._continue(context, turn, handle)

    async def _continue(self, context: RequestContext, turn: PendingTurn, handle: Handle) -> OkReply[Any]:
        context.request = turn.full_request
        reply = await handle(context)
        turn.set_answer(reply.result.message)
        return reply
