"""Causal language models (GPT-style) through Transformers."""

from collections.abc import Callable, Sequence

from transformers import AutoModelForCausalLM

from carteiro.models.in_process.batching import Batcher
from carteiro.models.in_process.chat_template import encode, plain_ids
from carteiro.models.in_process.showing import Showing, on_this_loop
from carteiro.models.interface import Completion, Prompt, Ranking
from carteiro.models.local.continuous import ContinuousBatcher
from carteiro.models.local.grammar import Grammar
from carteiro.models.local.memory import most_cached
from carteiro.models.local.ranking import Continued, continued, rank
from carteiro.models.local.row import Row
from carteiro.models.local.sampling import make_sampler
from carteiro.models.local.transformers_model import TransformersModel
from carteiro.models.stop_texts import StopTexts, cut_at_stop
from carteiro.schemas import Usage

_RANKED_TOGETHER = 2048
"""Most tokens that are ranked in one batch, padding included."""


class CausalModel(TransformersModel):
    """A causal language model: completes prompts, and ranks continuations of a text."""

    auto_class = AutoModelForCausalLM

    def _ready(self) -> None:
        self._grammar = Grammar(self._tokenizer, self._end_tokens)
        self._writing = ContinuousBatcher(
            self.name, self._model, self._thread, timeout=self._timeout, budget=most_cached(self._model)
        )
        self._ranking: Batcher[Continued, Ranking] = Batcher(
            self.name,
            self._thread,
            lambda asked, _: rank(self._model, asked),
            timeout=self._timeout,
            budget=_RANKED_TOGETHER,
        )

    async def complete(self, prompt: Prompt) -> Completion:
        """Complete the prompt. Raises `PromptTooLarge`, `InvalidPrompt`, `Unavailable`."""
        return await self._write(prompt)

    async def stream(self, prompt: Prompt, say: Callable[[str], None]) -> Completion:
        """The same, and `say` is given the text piece by piece."""
        with on_this_loop(say) as tell:
            return await self._write(prompt, tell)

    async def rank(self, text: str, continuations: Sequence[str]) -> Ranking:
        """Compare continuations. Raises `PromptTooLarge`, `Unavailable`."""
        asked = await self._on_thread(lambda _: self._continued(text, continuations))
        return await self._ranking.submit(asked, asked.tokens)

    async def _write(self, prompt: Prompt, say: Callable[[str], object] | None = None) -> Completion:
        row = await self._on_thread(lambda _: self._row(prompt, say))
        await self._writing.write(row)
        text, _ = cut_at_stop(self._decode(row.written), prompt.stop)
        usage = Usage(input_tokens=len(row.prompt), output_tokens=len(row.written))
        return Completion(text.strip(), row.finish_reason or "stop", usage)

    def _row(self, prompt: Prompt, say: Callable[[str], object] | None) -> Row:
        ids = encode(self.name, self._tokenizer, self._end_tokens, prompt.messages)
        limit = self._room(prompt, len(ids))
        grammar = self._grammar.follow(prompt.json_schema, len(ids)) if prompt.json_schema else None
        return Row(
            prompt=ids,
            limit=limit,
            sampler=make_sampler(self._model, len(ids), prompt.temperature, prompt.seed, grammar),
            end_tokens=self._end_tokens,
            stops=StopTexts(self._decode, prompt.stop),
            showing=Showing(self._decode, prompt.stop, say) if say else None,
        )

    def _continued(self, text: str, continuations: Sequence[str]) -> Continued:
        # The whole is encoded, not the continuation alone: some tokenizers put a space before every text.
        asked = continued(self._ids(text), [self._ids(text + continuation) for continuation in continuations])
        if (longest := max(map(len, asked.wholes))) > self.context_tokens:
            raise self._too_large(longest)
        return asked

    def _decode(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True))

    def _ids(self, text: str) -> list[int]:
        """The tokens of a plain text, without the end that some tokenizers add to it."""
        return plain_ids(self._tokenizer, self._end_tokens, text)

    @property
    def _end_tokens(self) -> list[int]:
        end = self._model.generation_config.eos_token_id
        if end is None:
            end = self._tokenizer.eos_token_id
        return [end] if isinstance(end, int) else list(end or [])
