"""BERT and RoBERTa with a classification head, through TensorFlow."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import numpy

from carteiro.models.engines.engine import SMALL, EngineModel
from carteiro.models.engines.keras_models import Encoder, use_threads
from carteiro.models.engines.tokenizer import counter, load_tokenizer
from carteiro.models.failures import PromptTooLarge
from carteiro.models.interface import Classification
from carteiro.models.labels import label_names
from carteiro.models.limits import most_tokens
from carteiro.models.local.batching import Batcher
from carteiro.schemas import Usage

_BUDGET = 2048
"""Most tokens of one batch, padding included."""


class KerasClassifier(EngineModel):
    """Says how probable each label of the model is. The labels and their order are those of its configuration."""

    def __init__(self, name: str, directory: Path, config: Any, timeout: float, threads: int) -> None:
        super().__init__(name, str(directory), timeout)
        self._directory, self._config, self._threads = directory, config, threads

    def _open(self) -> None:
        self._labels = label_names(self.name, self._config)
        use_threads(self._threads)
        self._tokenizer = load_tokenizer(str(self._directory))
        self._count = counter(self._tokenizer)
        self._encoder = Encoder(self._directory, self._config)
        self.small = self._encoder.parameters < SMALL
        self.context_tokens = most_tokens(self._config, self._tokenizer)
        if self._config.model_type == "roberta":
            # Its table of positions begins after the padding's.
            self.context_tokens -= self._config.pad_token_id + 1
        self._batches = Batcher(self.name, self._thread, self._probabilities, timeout=self._timeout, budget=_BUDGET)

    def count_tokens(self, text: str) -> int:
        """Tokens of the text by the model's own tokenizer, without special ones."""
        return self._count(text)

    async def classify(self, text: str) -> Classification:
        """Say how probable each label is. Raises `PromptTooLarge`, `Unavailable`."""
        encoded = await self._on_thread(lambda _: dict(self._tokenizer(text)))
        if (tokens := len(encoded["input_ids"])) > self.context_tokens:
            raise PromptTooLarge(f"the text has {tokens} tokens; {self.name} reads {self.context_tokens}")
        with self._told():
            probabilities = await self._batches.submit(encoded, tokens)
        return Classification(dict(zip(self._labels, probabilities, strict=True)), Usage(input_tokens=tokens))

    def _probabilities(self, rows: Sequence[Mapping[str, Sequence[int]]], _: Event) -> list[list[float]]:
        logits = self._encoder.logits(rows, self._tokenizer.pad_token_id)
        if self._config.problem_type == "multi_label_classification":
            each: list[list[float]] = (1 / (1 + numpy.exp(-logits))).tolist()
            return each
        weights = numpy.exp(logits - logits.max(-1, keepdims=True))
        together: list[list[float]] = (weights / weights.sum(-1, keepdims=True)).tolist()
        return together
