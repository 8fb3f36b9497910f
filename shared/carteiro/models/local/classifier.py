"""Models with a sequence classification head (BERT, RoBERTa, XLNet and others) through Transformers."""

import threading
from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification

from carteiro.models.in_process.batching import Batcher
from carteiro.models.in_process.labels import label_names
from carteiro.models.interface import Classification
from carteiro.models.local.encoding import Encoded, padded
from carteiro.models.local.transformers_model import TransformersModel
from carteiro.schemas import Usage

_BUDGET = 4096
"""Most tokens of one batch, padding included."""


class LocalClassifier(TransformersModel):
    """Says how probable each label of the model is. The labels and their order are those of its configuration."""

    auto_class = AutoModelForSequenceClassification

    def _ready(self) -> None:
        config = self._model.config
        self._labels = label_names(self.name, config)
        self._each_by_itself = config.problem_type == "multi_label_classification"
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token  # asked for also where nothing is padded
        self._batches = Batcher(self.name, self._thread, self._forward, timeout=self._timeout, budget=_BUDGET)

    async def classify(self, text: str) -> Classification:
        """Say how probable each label is. Raises `PromptTooLarge`, `Unavailable`."""
        encoded = await self._on_thread(lambda _: self._encode(text))
        tokens = len(encoded["input_ids"])
        probabilities = await self._batches.submit(encoded, tokens)
        return Classification(dict(zip(self._labels, probabilities, strict=True)), Usage(input_tokens=tokens))

    def _encode(self, text: str) -> Encoded:
        encoded: Encoded = dict(self._tokenizer(text))
        self._check_text(len(encoded["input_ids"]), self.context_tokens)
        return encoded

    def _forward(self, rows: Sequence[Encoded], _: threading.Event) -> list[list[float]]:
        # Without a padding token, GPT-like heads cannot tell where a row ends.
        batches = [rows] if self._model.config.pad_token_id is not None else [[row] for row in rows]
        with torch.inference_mode():
            parts: list[Any] = [
                self._model(**padded(self._tokenizer, each, self._model.device)).logits.float() for each in batches
            ]
            logits = torch.cat(parts)
            found: list[list[float]] = (logits.sigmoid() if self._each_by_itself else logits.softmax(-1)).tolist()
        return found
