"""One prompt on its way through batches, and its id."""

import asyncio
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from carteiro.models.cloud.batch_api.interface import BatchItemResult
from carteiro.models.prompt import EmbeddingPrompt, Prompt

BatchPrompt = Prompt | EmbeddingPrompt


def item_id(offset: int, body: dict[str, Any], attempt: int) -> str:
    """Return the id of a prompt of a deferred request: its offset, a digest of the prompt, and the attempt's number.

    A restarted service builds the same id, and so finds a result that is already paid for.
    """
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
    return f"{offset}-{digest}-{attempt}"


def offset_of(identifier: str) -> int:
    """Return the offset of the deferred request that an item belongs to."""
    return int(identifier.partition("-")[0])


@dataclass(slots=True, eq=False)
class BatchItem:
    """One prompt, which becomes a line of a batch. `deadline` is that of its request, in monotonic seconds."""

    id: str
    model: str
    prompt: BatchPrompt
    deadline: float
    size: int
    """Bytes of its line in the batch's file."""
    result: asyncio.Future[BatchItemResult]
    waiters: int = 0
    """Number of calls that wait for the result. A request that falls back to a live call does not wait."""

    @property
    def texts(self) -> int:
        """Number of texts to embed; 0 for a prompt of a chat model."""
        return len(self.prompt.texts) if isinstance(self.prompt, EmbeddingPrompt) else 0

    @property
    def is_awaited(self) -> bool:
        return self.waiters > 0 and not self.result.done()

    def resolve(self, result: BatchItemResult) -> None:
        """Set the result, unless it is set, for the calls that wait for it."""
        if not self.result.done():
            self.result.set_result(result)

    async def wait(self, seconds: float) -> BatchItemResult | None:
        """Return the result; None if it was cancelled with its batcher. Raise `TimeoutError` after `seconds`."""
        self.waiters += 1
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(self.result)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self.result.cancelled() or (task is not None and task.cancelling()):
                raise
            return None
        finally:
            self.waiters -= 1
