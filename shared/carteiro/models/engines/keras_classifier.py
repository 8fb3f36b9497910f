"""BERT and RoBERTa with a classification head, through TensorFlow."""

from collections.abc import Mapping, Sequence
from threading import Event

import numpy

from carteiro.models.engines.directory_model import DirectoryModel
from carteiro.models.engines.keras_models import Encoder, use_threads
from carteiro.models.in_process.batching import Batcher
from carteiro.models.in_process.labels import label_names
from carteiro.models.in_process.limits import most_tokens
from carteiro.models.in_process.model import SMALL
from carteiro.models.interface import Classification
from carteiro.schemas import Usage

_BUDGET = 2048
"""Most tokens of one batch, padding included."""


class KerasClassifier(DirectoryModel):
    """Says how probable each label of the model is. The labels and their order are those of its configuration."""

    def _open(self) -> None:
        self._labels = label_names(self.name, self._config)
        use_threads(self._threads)
        super()._open()
        self._encoder = Encoder(self._directory, self._config)
        self.small = self._encoder.parameters < SMALL
        self.context_tokens = most_tokens(self._config, self._tokenizer)
        if self._config.model_type == "roberta":
            # Its table of positions begins after the padding's.
            self.context_tokens -= self._config.pad_token_id + 1
        self._batches = Batcher(self.name, self._thread, self._probabilities, timeout=self._timeout, budget=_BUDGET)

    async def classify(self, text: str) -> Classification:
        """Say how probable each label is. Raises `PromptTooLarge`, `Unavailable`."""
        encoded = await self._on_thread(lambda _: dict(self._tokenizer(text)))
        tokens = len(encoded["input_ids"])
        self._check_text(tokens, self.context_tokens)
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
