"""Continues a stored conversation."""

from dataclasses import dataclass
from typing import Any

from carteiro.schemas import OkReply
from carteiro.schemas.chat import ChatRequest
from carteiro.tasks.task import Task
from carteiro.worker.conversations.store import ConversationStore
from carteiro.worker.handling.request_context import RequestContext
from carteiro.worker.handling.steps.step import Handle


@dataclass(frozen=True, slots=True)
class InConversation:
    """Adds the stored messages to a request with a `conversation_id`, and the answer to the conversation."""

    store: ConversationStore | None
    """Conversations of the task; None if it stores none."""
    task: Task[Any, Any]

    async def __call__(self, context: RequestContext, handle: Handle) -> OkReply[Any]:
        request = context.request
        if self.store is None or not isinstance(request, ChatRequest) or request.conversation_id is None:
            return await handle(context)
        turn = context.turn = await self.store.open_turn(
            request, context.envelope, context.topic_partition[1], self.task.run
        )
        context.request = turn.full_request
        reply = await handle(context)
        turn.set_answer(reply.result.message)
        return reply
