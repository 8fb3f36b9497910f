"""Calls of an embedding model with a few texts each: servers limit the number of texts and of tokens in a call."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from carteiro.models.errors import (
    ContentFiltered,
    InvalidPrompt,
    ModelError,
    PromptTooLarge,
    attach_usage,
    attached_usage,
)
from carteiro.models.interface import BatchLimit
from carteiro.models.results import Embeddings
from carteiro.schemas import Usage

EmbedBatch = Callable[[Sequence[str]], Awaitable[Embeddings]]

REFUSALS_OF_TEXTS = (PromptTooLarge, InvalidPrompt, ContentFiltered)
"""Refusals that one of the texts may cause, or the number of texts."""
_OPTIONS = ("dimension", "encoding_format", "input_type", "matryoshka")
"""Words of a refusal that is about an option. It is the same for all texts."""


def is_about_option(refusal: ModelError) -> bool:
    """Return True if a refusal is about an option, and so the same for all texts."""
    return any(word in refusal.message.lower() for word in _OPTIONS)


async def embed_in_batches(limit: BatchLimit, embed_batch: EmbedBatch, texts: Sequence[str]) -> Embeddings:
    """Return the vectors of the texts, from calls of `embed_batch` with at most `limit.texts` texts, one after another.

    Texts that are refused together are sent again in halves. If both halves are taken, there were too many texts, and
    `limit` is lowered. If not, the halves of the wrong text end with the text itself. Its error names its index.

    Raise the errors of `embed_batch`. They carry the usage of all calls.
    """
    batches = _Batches(limit, embed_batch, len(texts) > 1)
    try:
        return await batches.embed(texts, 0)
    except BaseException as error:
        attach_usage(error, batches.usage + (attached_usage(error) or Usage()))
        raise


class _Batches:
    """The calls for one list of texts. `has_others` is True if an error has to name its text."""

    def __init__(self, limit: BatchLimit, embed_batch: EmbedBatch, has_others: bool) -> None:
        self._limit, self._embed_batch, self._has_others = limit, embed_batch, has_others
        self.usage = Usage()

    async def embed(self, texts: Sequence[str], first: int) -> Embeddings:
        """Return the vectors of texts of which the first has the index `first`."""
        if len(texts) > (size := self._limit.texts):
            vectors = [
                vector
                for at in range(0, len(texts), size)
                for vector in (await self.embed(texts[at : at + size], first + at)).vectors
            ]
            return Embeddings(vectors, self.usage)
        try:
            embedded = await self._embed_batch(texts)
        except REFUSALS_OF_TEXTS as refusal:
            if is_about_option(refusal):
                raise
            if len(texts) == 1:
                raise self._about_text(refusal, first) from refusal
            half = (len(texts) + 1) // 2
            before = await self.embed(texts[:half], first)
            after = await self.embed(texts[half:], first + half)
            self._limit.texts = min(self._limit.texts, half)
            return Embeddings([*before.vectors, *after.vectors], self.usage)
        self.usage += embedded.usage
        return replace(embedded, usage=self.usage)

    def _about_text(self, refusal: ModelError, index: int) -> ModelError:
        if not self._has_others:
            return refusal
        error = type(refusal)(f"Text {index}, counted from 0: {refusal.message}", refusal.option)
        attach_usage(error, refusal.usage)
        return error
