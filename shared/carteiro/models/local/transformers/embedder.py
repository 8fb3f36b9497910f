"""Embedding models (BERT, MPNet, RoBERTa and others, as Sentence Transformers saves them) through Transformers."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch.nn.functional import normalize
from transformers import AutoModel

from carteiro.models.errors import PromptTooLarge
from carteiro.models.local.checkpoints.checkpoint import ModelCheckpoint
from carteiro.models.local.inference.batching import Batcher
from carteiro.models.local.transformers.embedding_prompts import read_prompts
from carteiro.models.local.transformers.encoding import EncodedText, pad_batch
from carteiro.models.local.transformers.placement import CPU, Placement
from carteiro.models.local.transformers.pooling import read_pooling
from carteiro.models.local.transformers.transformers_model import TransformersModel
from carteiro.models.local.transformers.vector_sizes import read_sizes
from carteiro.models.prompt import InputType
from carteiro.models.results import Embeddings
from carteiro.schemas import Usage

_MAX_BATCH_TOKENS = 4096
"""Maximum number of tokens of one batch, padding included."""
_MAX_CONCURRENT_TEXTS = 256
"""Maximum number of texts of one call in the queue, so that a long document does not delay short ones."""

Vector = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    """One encoded text, and the size of its vector."""

    encoded: EncodedText
    dimensions: int


class LocalEmbedder(TransformersModel):
    """Computes the vectors of texts. `context_tokens` is the maximum length of a text, without special tokens."""

    auto_class = AutoModel

    def __init__(self, name: str, checkpoint: ModelCheckpoint, timeout: float, placement: Placement = CPU) -> None:
        # Similarities are compared with fixed thresholds, and bfloat16 changes their second decimal.
        super().__init__(name, checkpoint, timeout, replace(placement, dtype=torch.float32))

    def _after_load(self) -> None:
        self._pooling = read_pooling(self._location)
        self._prompts = read_prompts(self._location)
        self._sizes = read_sizes(self._location, self._model.config)
        max_tokens = min(self.context_tokens, self._pooling.max_tokens or self.context_tokens)
        self.context_tokens = max_tokens - self._tokenizer.num_special_tokens_to_add(pair=False)
        self._batcher: Batcher[_Row, Vector] = Batcher(
            self.name, self._thread, self._forward, timeout=self._timeout, max_batch_tokens=_MAX_BATCH_TOKENS
        )

    async def embed(
        self, texts: Sequence[str], *, input_type: InputType | None = None, dimensions: int | None = None
    ) -> Embeddings:
        """Return a vector for each text. A text of a type stands after the model's prompt for that type.

        Raise `PromptTooLarge` if a text is too long with its prompt, `Unsupported` if the model has no vectors of that
        size, and `Unavailable`.
        """
        size, prefix = self._sizes.choose(self.name, dimensions), self._prompts.prefix(input_type)
        vectors: list[Vector] = []
        tokens = 0
        for first in range(0, len(texts), _MAX_CONCURRENT_TEXTS):
            chunk = [prefix + text for text in texts[first : first + _MAX_CONCURRENT_TEXTS]]
            encoded = await self._on_thread(lambda _, chunk=chunk, first=first: self._encode(chunk, first))  # type: ignore[misc]
            sizes = [len(each["input_ids"]) for each in encoded]
            tokens += sum(sizes)
            with self._translate_errors():
                vectors += await asyncio.gather(
                    *map(self._batcher.submit, [_Row(each, size) for each in encoded], sizes)
                )
        return Embeddings(vectors, Usage(input_tokens=tokens))

    def _encode(self, texts: Sequence[str], first: int) -> list[EncodedText]:
        """Return the texts as tokens; `first` is the index of the first text in its call."""
        encoded = self._tokenizer(list(texts))
        specials = self._tokenizer.num_special_tokens_to_add(pair=False)
        rows: list[EncodedText] = [
            {name: encoded[name][number] for name in self._tokenizer.model_input_names if name in encoded}
            for number in range(len(texts))
        ]
        for index, row in enumerate(rows, first):
            if (length := len(row["input_ids"]) - specials) > self.context_tokens:
                which = f"text {index}, counted from 0," if len(texts) > 1 or first else "the text"
                raise PromptTooLarge(f"{which} has {length} tokens; {self.name} reads {self.context_tokens}")
        return rows

    def _forward(self, rows: Sequence[_Row], _: threading.Event) -> list[Vector]:
        inputs = pad_batch(self._tokenizer, [row.encoded for row in rows], self._model.device)
        with torch.inference_mode():
            hidden = self._model(**inputs).last_hidden_state.float()
            vectors = self._pooling.apply(hidden, inputs["attention_mask"])
            return [
                tuple(normalize(vector[: row.dimensions], dim=0).tolist())
                for vector, row in zip(vectors.cpu(), rows, strict=True)
            ]
