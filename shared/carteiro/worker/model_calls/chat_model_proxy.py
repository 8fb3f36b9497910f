"""Proxies for a model: their base, and the proxy that streams completions while the model writes them."""

from typing import Generic, TypeVar

from carteiro.models.abilities import can_stream
from carteiro.models.interface import ChatModel, Model, StreamingModel
from carteiro.models.prompt import Prompt
from carteiro.models.results import Completion
from carteiro.worker.reply_stream import ReplyStream

M = TypeVar("M", bound=Model)
C = TypeVar("C", bound=ChatModel)


class ModelProxy(Model, Generic[M]):
    """Model with the properties of another one, which is loaded and closed elsewhere. A subclass has its ability."""

    _model: M

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def remote(self) -> bool:
        return self._model.remote

    @property
    def is_small(self) -> bool:
        return self._model.is_small

    @property
    def context_tokens(self) -> int | None:
        return self._model.context_tokens

    async def load(self) -> None:
        """No-op: the model is loaded elsewhere."""

    async def close(self) -> None:
        """No-op: the model is closed elsewhere."""

    def count_tokens(self, text: str) -> int:
        return self._model.count_tokens(text)


class ChatModelProxy(ModelProxy[C], ChatModel, Generic[C]):
    """Chat model with the properties of another one. A subclass completes the prompts."""


class StreamingProxy(ChatModelProxy[StreamingModel]):
    """Chat model that sends its text to a stream while it completes a prompt."""

    def __init__(self, model: StreamingModel, stream: ReplyStream) -> None:
        self._model, self._stream = model, stream

    async def complete(self, prompt: Prompt) -> Completion:
        return await self._model.stream(prompt, self._stream.start_attempt())


def with_streaming(model: M, stream: ReplyStream | None) -> M | StreamingProxy:
    """Return the model, in a `StreamingProxy` if there is a stream and the model can stream."""
    return StreamingProxy(model, stream) if stream is not None and can_stream(model) else model
