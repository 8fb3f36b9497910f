"""BERT and RoBERTa with a classification head, through TensorFlow."""

from collections.abc import Mapping, Sequence
from threading import Event

import numpy

from carteiro.models.local.checkpoints.context_length import max_context_tokens
from carteiro.models.local.checkpoints.labels import label_names
from carteiro.models.local.inference.batching import Batcher
from carteiro.models.local.inference.engine_model import DirectoryModel
from carteiro.models.local.inference.in_process_model import SMALL_MODEL_PARAMETERS
from carteiro.models.local.tensorflow.keras_models import KerasEncoder, configure_threads
from carteiro.models.results import Classification
from carteiro.schemas import Usage

_MAX_BATCH_TOKENS = 2048
"""Maximum number of tokens of one batch, padding included."""


class KerasClassifier(DirectoryModel):
    """Computes the probability of each label. The labels and their order are those of the model's configuration."""

    def _load_weights(self) -> None:
        self._labels = label_names(self.name, self._config)
        configure_threads(self._threads)
        super()._load_weights()
        self._encoder = KerasEncoder(self._directory, self._config)
        self.is_small = self._encoder.parameter_count < SMALL_MODEL_PARAMETERS
        self.context_tokens = max_context_tokens(self._config, self._tokenizer)
        if self._config.model_type == "roberta":
            # RoBERTa's positions begin after the position of the padding.
            self.context_tokens -= self._config.pad_token_id + 1
        self._batcher = Batcher(
            self.name, self._thread, self._probabilities, timeout=self._timeout, max_batch_tokens=_MAX_BATCH_TOKENS
        )

    async def classify(self, text: str) -> Classification:
        """Return the probability of each label. Raise `PromptTooLarge` or `Unavailable`."""
        encoded = await self._on_thread(lambda _: dict(self._tokenizer(text)))
        tokens = len(encoded["input_ids"])
        self._check_input_length(tokens, self.context_tokens)
        with self._translate_errors():
            probabilities = await self._batcher.submit(encoded, tokens)
        return Classification(dict(zip(self._labels, probabilities, strict=True)), Usage(input_tokens=tokens))

    def _probabilities(self, rows: Sequence[Mapping[str, Sequence[int]]], _: Event) -> list[list[float]]:
        logits = self._encoder.compute_logits(rows, self._tokenizer.pad_token_id)
        if self._config.problem_type == "multi_label_classification":
            independent: list[list[float]] = (1 / (1 + numpy.exp(-logits))).tolist()
            return independent
        weights = numpy.exp(logits - logits.max(-1, keepdims=True))
        exclusive: list[list[float]] = (weights / weights.sum(-1, keepdims=True)).tolist()
        return exclusive
