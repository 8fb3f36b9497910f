"""GPT-2 through TensorFlow."""

from collections.abc import Sequence
from threading import Event

import numpy

from carteiro.models.local.checkpoints.config_files import read_json
from carteiro.models.local.checkpoints.context_length import max_context_tokens
from carteiro.models.local.inference.engine_model import DirectoryModel
from carteiro.models.local.inference.in_process_model import SMALL_MODEL_PARAMETERS
from carteiro.models.local.tensorflow.keras_models import KerasDecoder, configure_threads
from carteiro.models.local.tensorflow.sampling import NumpySampler
from carteiro.models.local.text_generation.likelihood import token_predictions
from carteiro.models.local.text_generation.token_sequence import TokenSequence
from carteiro.models.local.text_generation.tokenizer_causal_model import TokenizerCausalModel
from carteiro.models.prompt import Prompt
from carteiro.models.results import Ranking
from carteiro.schemas import Usage


class KerasCausalModel(DirectoryModel, TokenizerCausalModel):
    """Completes prompts, one after the other, streams the text, and ranks continuations of a text."""

    _follows_schemas = False

    def _load_weights(self) -> None:
        configure_threads(self._threads)
        super()._load_weights()
        self._decoder = KerasDecoder(self._directory, self._config)
        self.is_small = self._decoder.parameter_count < SMALL_MODEL_PARAMETERS
        self.context_tokens = max_context_tokens(self._config, self._tokenizer)
        self._read_special_tokens(read_json(self._directory, "generation_config.json").get("eos_token_id"))

    async def _write(self, sequence: TokenSequence, _: Prompt) -> None:
        await self._on_thread(lambda cancelled: self._write_tokens(sequence, cancelled))

    async def _rank(self, prefix: Sequence[int], sequences: Sequence[Sequence[int]]) -> Ranking:
        return await self._on_thread(lambda _: self._log_probabilities(prefix, sequences))

    def _make_sampler(self, prompt: Prompt, _: int) -> NumpySampler:
        return NumpySampler(prompt.temperature, prompt.seed, prompt.top_p)

    def _write_tokens(self, sequence: TokenSequence, cancelled: Event) -> None:
        logits, cache = self._decoder.compute_logits(sequence.prompt_ids)
        sequence.sample(logits[-1])
        while not (sequence.is_finished or cancelled.is_set()):
            cached = len(sequence.token_ids) - 1
            logits, cache = self._decoder.compute_logits(sequence.output_ids[-1:], cache, cached)
            sequence.sample(logits[-1])
        if sequence.error is not None:
            raise sequence.error

    def _log_probabilities(self, prefix: Sequence[int], sequences: Sequence[Sequence[int]]) -> Ranking:
        # The last token of a sequence is predicted, not read, and equal rows are read once.
        rows = {tuple(sequence[:-1]) for sequence in sequences}
        log_probabilities = {row: _log_softmax(self._decoder.compute_logits(row)[0]) for row in rows}
        sums = [
            sum(float(log_probabilities[tuple(sequence[:-1])][len(step.context) - 1, step.token]) for step in own)
            for sequence, own in zip(sequences, token_predictions(prefix, sequences), strict=True)
        ]
        return Ranking(sums, Usage(input_tokens=sum(map(len, rows))))


def _log_softmax(logits: numpy.ndarray) -> numpy.ndarray:
    """Return the log-probabilities. They and the logits are `[tokens, vocabulary]`."""
    shifted = logits - logits.max(-1, keepdims=True)
    result: numpy.ndarray = shifted - numpy.log(numpy.exp(shifted).sum(-1, keepdims=True))
    return result
