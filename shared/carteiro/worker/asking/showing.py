"""A model whose completions are streamed to the caller while it writes them."""

from typing import TypeVar

from carteiro.models.interface import Completion, Model, Prompt, StreamingModel
from carteiro.worker.asking.wrapping import Wrapping
from carteiro.worker.streaming import Stream

M = TypeVar("M", bound=Model)


class Showing(Wrapping[StreamingModel]):
    """The model as a task sees it: it completes prompts, and what it writes meanwhile goes to a stream."""

    def __init__(self, model: StreamingModel, stream: Stream) -> None:
        self._model, self._stream = model, stream

    async def complete(self, prompt: Prompt) -> Completion:
        return await self._model.stream(prompt, self._stream.begin())


def shown(model: M, stream: Stream | None) -> M | Showing:
    """The model, its completions going to the stream where there is one and the model can be seen writing."""
    return Showing(model, stream) if stream is not None and isinstance(model, StreamingModel) else model
