"""A model as one request sees it: another that stands before it."""

from typing import Generic, TypeVar

from carteiro.models.interface import ChatModel

M = TypeVar("M", bound=ChatModel)


class Wrapping(ChatModel, Generic[M]):
    """Has what the model has, and completes prompts in its own way. The model is loaded and closed by others."""

    _model: M

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
