"""Models with a sequence classification head (BERT, RoBERTa, XLNet and others) through Transformers."""

import threading
from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification

from carteiro.models.local.checkpoints.labels import label_names
from carteiro.models.local.inference.batching import Batcher
from carteiro.models.local.transformers.encoding import EncodedText, pad_batch
from carteiro.models.local.transformers.transformers_model import TransformersModel
from carteiro.models.results import Classification
from carteiro.schemas import Usage

_MAX_BATCH_TOKENS = 4096
"""Maximum number of tokens of one batch, padding included."""


class LocalClassifier(TransformersModel):
    """Computes the probability of each label. The labels and their order are those of the model's configuration."""

    auto_class = AutoModelForSequenceClassification

    def _after_load(self) -> None:
        config = self._model.config
        self._labels = label_names(self.name, config)
        self._is_multi_label = config.problem_type == "multi_label_classification"
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = (
                self._tokenizer.eos_token
            )  # the tokenizer requires it even if there is no padding
        self._batcher = Batcher(
            self.name, self._thread, self._forward, timeout=self._timeout, max_batch_tokens=_MAX_BATCH_TOKENS
        )

    async def classify(self, text: str) -> Classification:
        """Return the probability of each label. Raise `PromptTooLarge` or `Unavailable`."""
        encoded = await self._on_thread(lambda _: self._encode(text))
        tokens = len(encoded["input_ids"])
        probabilities = await self._batcher.submit(encoded, tokens)
        return Classification(dict(zip(self._labels, probabilities, strict=True)), Usage(input_tokens=tokens))

    def _encode(self, text: str) -> EncodedText:
        encoded: EncodedText = dict(self._tokenizer(text))
        self._check_input_length(len(encoded["input_ids"]), self.context_tokens)
        return encoded

    def _forward(self, rows: Sequence[EncodedText], _: threading.Event) -> list[list[float]]:
        # Without a padding token, GPT-like heads cannot find the last token of a row.
        batches = [rows] if self._model.config.pad_token_id is not None else [[row] for row in rows]
        with torch.inference_mode():
            parts: list[Any] = [
                self._model(**pad_batch(self._tokenizer, each, self._model.device)).logits.float() for each in batches
            ]
            logits = torch.cat(parts)
            found: list[list[float]] = (logits.sigmoid() if self._is_multi_label else logits.softmax(-1)).tolist()
        return found
