"""Causal language models (GPT-style) through Transformers."""

from collections.abc import Sequence

from transformers import AutoModelForCausalLM

from carteiro.models.local.inference.batching import Batcher
from carteiro.models.local.text_generation.token_sequence import TokenSequence
from carteiro.models.local.text_generation.tokenizer_causal_model import TokenizerCausalModel
from carteiro.models.local.transformers.continuous_batching import ContinuousBatcher
from carteiro.models.local.transformers.grammar import GrammarCompiler
from carteiro.models.local.transformers.memory import max_cached_tokens, max_prefix_bytes
from carteiro.models.local.transformers.prefix_cache import PrefixCache
from carteiro.models.local.transformers.ranking import RankingInput, make_ranking_input, rank
from carteiro.models.local.transformers.sampling import TorchSampler, make_sampler
from carteiro.models.local.transformers.transformers_model import TransformersModel
from carteiro.models.prompt import Prompt
from carteiro.models.results import Ranking

_MAX_RANKING_BATCH_TOKENS = 2048
"""Maximum number of tokens that one batch of rankings reads, padding included."""


class TransformersCausalModel(TransformersModel, TokenizerCausalModel):
    """A causal language model: it completes prompts and ranks continuations of a text."""

    auto_class = AutoModelForCausalLM
    _stops_on_repetition = True

    def _after_load(self) -> None:
        self._read_special_tokens(self._model.generation_config.eos_token_id)
        self._grammar = GrammarCompiler(self._tokenizer, self._end_tokens)
        self.prefixes = PrefixCache(self._model, max_prefix_bytes(self._model))
        self._generation_batcher = ContinuousBatcher(
            self.name,
            self._model,
            self._thread,
            self.prefixes,
            timeout=self._timeout,
            max_cached_tokens=max_cached_tokens(self._model),
        )
        self._ranking_batcher: Batcher[RankingInput, Ranking] = Batcher(
            self.name,
            self._thread,
            lambda inputs, _: rank(self._model, self.prefixes, inputs),
            timeout=self._timeout,
            max_batch_tokens=_MAX_RANKING_BATCH_TOKENS,
        )

    async def close(self) -> None:
        """Stop the thread and drop the kept beginnings of prompts."""
        if self._is_loaded:
            self._thread.close(self.prefixes.clear)
        else:
            await super().close()

    async def _write(self, sequence: TokenSequence, _: Prompt) -> None:
        await self._generation_batcher.generate(sequence)

    async def _rank(self, prefix: Sequence[int], sequences: Sequence[Sequence[int]]) -> Ranking:
        ranking_input = make_ranking_input(prefix, sequences)
        return await self._ranking_batcher.submit(ranking_input, ranking_input.cost(self.prefixes))

    def _make_sampler(self, prompt: Prompt, prompt_tokens: int) -> TorchSampler:
        grammar = self._grammar.logits_processor(prompt.json_schema, prompt_tokens) if prompt.json_schema else None
        return make_sampler(self._model, prompt_tokens, prompt, grammar)
