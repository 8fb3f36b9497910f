"""Embedding models (BERT, MPNet, RoBERTa and others, as Sentence Transformers saves them) through Transformers."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace

import torch
from transformers import AutoModel

from carteiro.models.interface import Embeddings
from carteiro.models.local.checkpoints.checkpoint import ModelCheckpoint
from carteiro.models.local.inference.batching import Batcher
from carteiro.models.local.transformers.encoding import EncodedText, pad_batch
from carteiro.models.local.transformers.placement import CPU, Placement
from carteiro.models.local.transformers.pooling import read_pooling
from carteiro.models.local.transformers.transformers_model import TransformersModel
from carteiro.schemas import Usage

_MAX_BATCH_TOKENS = 4096
"""Maximum number of tokens of one batch, padding included."""
_MAX_CONCURRENT_TEXTS = 256
"""Maximum number of texts of one call in the queue, so that a long document does not delay short ones."""

Vector = tuple[float, ...]


class LocalEmbedder(TransformersModel):
    """Computes the vectors of texts. `context_tokens` is the maximum length of a text, without special tokens."""

    auto_class = AutoModel

    def __init__(self, name: str, checkpoint: ModelCheckpoint, timeout: float, placement: Placement = CPU) -> None:
        # Similarities are compared with fixed thresholds, and bfloat16 changes their second decimal.
        super().__init__(name, checkpoint, timeout, replace(placement, dtype=torch.float32))

    def _after_load(self) -> None:
        self._pooling = read_pooling(self._location)
        max_tokens = min(self.context_tokens, self._pooling.max_tokens or self.context_tokens)
        self.context_tokens = max_tokens - self._tokenizer.num_special_tokens_to_add(pair=False)
        self._batcher: Batcher[EncodedText, Vector] = Batcher(
            self.name, self._thread, self._forward, timeout=self._timeout, max_batch_tokens=_MAX_BATCH_TOKENS
        )

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return a vector for each text. Raise `PromptTooLarge` if a text is too long, and `Unavailable`."""
        vectors: list[Vector] = []
        tokens = 0
        for first in range(0, len(texts), _MAX_CONCURRENT_TEXTS):
            chunk = texts[first : first + _MAX_CONCURRENT_TEXTS]
            encoded = await self._on_thread(lambda _, chunk=chunk: self._encode(chunk))  # type: ignore[misc]
            sizes = [len(each["input_ids"]) for each in encoded]
            tokens += sum(sizes)
            with self._translate_errors():
                vectors += await asyncio.gather(*map(self._batcher.submit, encoded, sizes))
        return Embeddings(vectors, Usage(input_tokens=tokens))

    def _encode(self, texts: Sequence[str]) -> list[EncodedText]:
        encoded = self._tokenizer(list(texts))
        specials = self._tokenizer.num_special_tokens_to_add(pair=False)
        rows: list[EncodedText] = [
            {name: encoded[name][number] for name in self._tokenizer.model_input_names if name in encoded}
            for number in range(len(texts))
        ]
        for row in rows:
            self._check_input_length(len(row["input_ids"]) - specials, self.context_tokens)
        return rows

    def _forward(self, rows: Sequence[EncodedText], _: threading.Event) -> list[Vector]:
        inputs = pad_batch(self._tokenizer, rows, self._model.device)
        with torch.inference_mode():
            hidden = self._model(**inputs).last_hidden_state.float()
            vectors = self._pooling.apply(hidden, inputs["attention_mask"])
        return [tuple(vector) for vector in vectors.tolist()]
