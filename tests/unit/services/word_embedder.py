"""An embedding model for tests: texts with the same words are near each other."""

import math
from collections.abc import Sequence
from typing import Any
from zlib import crc32

from carteiro.models.errors import PromptTooLarge
from carteiro.models.interface import EmbeddingModel
from carteiro.models.prompt import InputType
from carteiro.models.results import Embeddings
from carteiro.schemas import REQUESTS, Usage
from carteiro.tasks.discovery import find_tasks
from carteiro.text.questions import split_words

TASKS = {task.name: task for task in find_tasks()}


TEXT = """\
# The market

The market by the river opens in May. The market has forty stalls. It was moved as the old square is small.

| stall | price |
| --- | --- |
| small | 12 euros |

The baker sells bread at the market. The lift is broken. That is why visitors take the stairs.
"""


class WordEmbedder(EmbeddingModel):
    """Embedder that counts words, so that texts with common words are near each other."""

    name, remote, is_small, context_tokens = "words", False, True, 20

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    async def load(self) -> None: ...

    async def close(self) -> None: ...

    async def embed(
        self, texts: Sequence[str], *, input_type: InputType | None = None, dimensions: int | None = None
    ) -> Embeddings:
        if any(self.count_tokens(text) > self.context_tokens for text in texts):
            raise PromptTooLarge("too long")
        return Embeddings(
            [self._vector(text) for text in texts], Usage(input_tokens=sum(map(self.count_tokens, texts)))
        )

    def _vector(self, text: str) -> list[float]:
        counts = [0.0] * 256
        for word in split_words(text):
            counts[crc32(word.encode()) % 256] += 1
        length = math.hypot(*counts) or 1.0
        return [count / length for count in counts]


async def run_task(task: str, **request: Any) -> Any:
    return await TASKS[task].run(REQUESTS[task].model_validate(request), WordEmbedder())
