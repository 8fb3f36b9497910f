"""A model whose completions are streamed to the caller while it writes them."""

from typing import TypeVar

from carteiro.models.interface import ChatModel, Completion, Model, Prompt, StreamingModel
from carteiro.worker.streaming import Stream

M = TypeVar("M", bound=Model)


class Showing(ChatModel):
    """The model as a task sees it: it completes prompts, and what it writes meanwhile goes to a stream."""

    def __init__(self, model: StreamingModel, stream: Stream) -> None:
        self._model, self._stream = model, stream

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def small(self) -> bool:
        return self._model.small

    @property
    def context_tokens(self) -> int | None:
        return self._model.context_tokens

    async def load(self) -> None:
        """Loaded already."""

    async def close(self) -> None:
        """Not ours to close."""

    def count_tokens(self, text: str) -> int:
        return self._model.count_tokens(text)

    async def complete(self, prompt: Prompt) -> Completion:
        return await self._model.stream(prompt, self._stream.begin())


def shown(model: M, stream: Stream | None) -> M | Showing:
    """The model, its completions going to the stream where there is one and the model can be seen writing."""
    return Showing(model, stream) if stream is not None and isinstance(model, StreamingModel) else model
