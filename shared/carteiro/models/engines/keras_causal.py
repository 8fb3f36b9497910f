"""GPT-2 through TensorFlow."""

from collections.abc import Callable, Sequence
from threading import Event

import numpy

from carteiro.models.engines.directory import read_json
from carteiro.models.engines.directory_model import DirectoryModel
from carteiro.models.engines.keras_models import Decoder, use_threads
from carteiro.models.engines.sampling import Sampler
from carteiro.models.in_process.chat_template import encode, plain_ids
from carteiro.models.in_process.likelihood import steps
from carteiro.models.in_process.limits import most_tokens
from carteiro.models.in_process.model import SMALL
from carteiro.models.in_process.showing import Showing, on_this_loop
from carteiro.models.interface import Completion, Prompt, Ranking
from carteiro.models.stop_texts import StopTexts, cut_at_stop
from carteiro.schemas import FinishReason, Usage


class KerasCausal(DirectoryModel):
    """Completes prompts, one after the other, shows what it writes, and ranks continuations of a text."""

    def _open(self) -> None:
        use_threads(self._threads)
        super()._open()
        self._decoder = Decoder(self._directory, self._config)
        self.small = self._decoder.parameters < SMALL
        self.context_tokens = most_tokens(self._config, self._tokenizer)
        end = read_json(self._directory, "generation_config.json").get("eos_token_id", self._tokenizer.eos_token_id)
        self._end_tokens = [end] if isinstance(end, int) else list(end or [])

    async def complete(self, prompt: Prompt) -> Completion:
        """Complete the prompt. Raises `PromptTooLarge`, `Unsupported` for a JSON Schema, `Unavailable`."""
        return await self._on_thread(lambda abandoned: self._complete(prompt, abandoned, None))

    async def stream(self, prompt: Prompt, say: Callable[[str], None]) -> Completion:
        """Complete the prompt; `say` is given the text as it is written. Raises as `complete` does."""
        with on_this_loop(say) as tell:
            return await self._on_thread(lambda abandoned: self._complete(prompt, abandoned, tell))

    async def rank(self, text: str, continuations: Sequence[str]) -> Ranking:
        """Compare continuations. Raises `PromptTooLarge`, `Unavailable`."""
        return await self._on_thread(lambda _: self._rank(text, continuations))

    def _complete(self, prompt: Prompt, abandoned: Event, show: Callable[[str], object] | None) -> Completion:
        self._refuse_schema(prompt)
        ids = encode(self.name, self._tokenizer, self._end_tokens, prompt.messages)
        most = self._room(prompt, len(ids))
        showing = Showing(self._decode, prompt.stop, show) if show else None
        stops = StopTexts(self._decode, prompt.stop)
        sampler = Sampler(prompt.temperature, prompt.seed)
        written: list[int] = []
        reason: FinishReason = "length"
        logits, cache = self._decoder.read(ids)
        while not abandoned.is_set():
            written.append(sampler.choose(logits[-1]))
            if written[-1] in self._end_tokens or stops.reached(written):
                reason = "stop"
            if reason == "stop" or len(written) == most:
                break
            if showing:
                showing.add(written)
            logits, cache = self._decoder.read(written[-1:], cache, len(ids) + len(written) - 1)
        if showing:
            showing.end(written)
        text, _ = cut_at_stop(self._decode(written), prompt.stop)
        return Completion(text.strip(), reason, Usage(input_tokens=len(ids), output_tokens=len(written)))

    def _rank(self, text: str, continuations: Sequence[str]) -> Ranking:
        prefix, *wholes = [
            plain_ids(self._tokenizer, self._end_tokens, each)
            for each in (text, *(text + end for end in continuations))
        ]
        if (longest := max(map(len, wholes))) > self.context_tokens:
            raise self._too_large(longest)
        rows = {tuple(whole[:-1]) for whole in wholes}
        read = {row: _log_softmax(self._decoder.read(row)[0]) for row in rows}
        sums = [
            sum(float(read[tuple(whole[:-1])][len(step.before) - 1, step.token]) for step in own)
            for whole, own in zip(wholes, steps(prefix, wholes), strict=True)
        ]
        return Ranking(sums, Usage(input_tokens=sum(map(len, rows))))

    def _decode(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))


def _log_softmax(logits: numpy.ndarray) -> numpy.ndarray:
    shifted = logits - logits.max(-1, keepdims=True)
    result: numpy.ndarray = shifted - numpy.log(numpy.exp(shifted).sum(-1, keepdims=True))
    return result
