"""Cross-encoders: models with a sequence classification head of one label, which score a query and a text together."""

import asyncio
import threading
from collections.abc import Sequence

import torch
from transformers import AutoModelForSequenceClassification

from carteiro.models.errors import PromptTooLarge
from carteiro.models.local.inference.batching import Batcher
from carteiro.models.local.transformers.encoding import EncodedText, pad_batch
from carteiro.models.local.transformers.transformers_model import TransformersModel
from carteiro.models.results import Relevance
from carteiro.schemas import Usage

_MAX_BATCH_TOKENS = 4096
"""Maximum number of tokens of one batch, padding included."""
_MIN_TEXT_SHARE = 0.25
"""Smallest share of the model's context for the text."""


class LocalCrossEncoder(TransformersModel):
    """Scores texts for a query, by the only logit of its head."""

    auto_class = AutoModelForSequenceClassification

    def _after_load(self) -> None:
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token  # the tokenizer requires it for a batch
        self._batcher = Batcher(
            self.name, self._thread, self._forward, timeout=self._timeout, max_batch_tokens=_MAX_BATCH_TOKENS
        )

    async def score(self, query: str, texts: Sequence[str]) -> Relevance:
        """Return the score of each text; the end of a text that does not fit the context is not read.

        Raise `PromptTooLarge` or `Unavailable`.
        """
        encoded = await self._on_thread(lambda _: [self._encode(query, text) for text in texts])
        sizes = [len(each["input_ids"]) for each in encoded]
        scores = await asyncio.gather(*map(self._batcher.submit, encoded, sizes))
        return Relevance(scores, Usage(input_tokens=sum(sizes)))

    def _encode(self, query: str, text: str) -> EncodedText:
        tokens = self.count_tokens(query)
        if tokens > self.context_tokens * (1 - _MIN_TEXT_SHARE):
            raise PromptTooLarge(f"the query has {tokens} tokens; {self.name} reads {self.context_tokens}")
        encoded: EncodedText = dict(
            self._tokenizer(query, text, truncation="only_second", max_length=self.context_tokens)
        )
        self._tokenizer.backend_tokenizer.no_truncation()
        return encoded

    def _forward(self, rows: Sequence[EncodedText], _: threading.Event) -> list[float]:
        inputs = pad_batch(self._tokenizer, rows, self._model.device)
        with torch.inference_mode():
            scores: list[float] = self._model(**inputs).logits[:, 0].float().tolist()
        return scores
