"""Encoder-decoders (T5, BART, Marian, NLLB and their kin) through Transformers: they summarize, translate, or both."""

import itertools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForSeq2SeqLM

from carteiro.models.in_process.batching import Batcher
from carteiro.models.in_process.defaults import COLD, DEFAULT_OUTPUT_TOKENS
from carteiro.models.in_process.rewriting import Rewriter, Summarizer, Translator, Written, by_ability
from carteiro.models.in_process.routes import Route
from carteiro.models.interface import Writing
from carteiro.models.local.abandoned import Abandoned
from carteiro.models.local.transformers_model import TransformersModel

_BUDGET = 2048
"""Most tokens of one batch, padding included."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A text as tokens, and how `generate` is to be called for it."""

    ids: list[int]
    parameters: Mapping[str, Any]
    seed: int | None
    alone: int | None


class Seq2Seq(TransformersModel, Rewriter):
    """An encoder-decoder: a text in, another out. What it can do with one is said by the classes made of it."""

    auto_class = AutoModelForSeq2SeqLM

    def _ready(self) -> None:
        # How far it follows instructions is no question: it does what it was trained for.
        self.small = False
        self._config = self._model.config
        self._own = getattr(self._config, "task_specific_params", None)
        self._reads = self.context_tokens
        self._samples = itertools.count()
        self._batches = Batcher(self.name, self._thread, self._generate, timeout=self._timeout, budget=_BUDGET)

    def _encode(self, text: str, route: Route) -> list[int]:
        if route.source_code is not None:
            self._tokenizer.src_lang = route.source_code
        return list(self._tokenizer(route.prefix + text)["input_ids"])

    def _asked(self, ids: list[int], route: Route, writing: Writing) -> _Asked:
        parameters = self._parameters(route, writing, len(ids))
        # Rows that sample go alone: each has its own seed.
        alone = next(self._samples) if parameters.get("do_sample") else None
        return _Asked(ids, parameters, writing.seed, alone)

    def _parameters(self, route: Route, writing: Writing, tokens: int) -> dict[str, Any]:
        parameters = {name: value for name, value in route.parameters.items() if name != "prefix"}
        if parameters.get("min_length", 0) > tokens:
            # More than there is to say.
            del parameters["min_length"]
        own_limit = parameters.get("max_length") or self._model.generation_config.max_length
        if writing.max_output_tokens is not None or own_limit is None:
            parameters.pop("max_length", None)
            # Where it has positions, what it writes has to stay within them.
            parameters["max_new_tokens"] = min(writing.max_output_tokens or DEFAULT_OUTPUT_TOKENS, self._reads - 1)
        if writing.temperature is not None:
            hot = writing.temperature > COLD
            parameters |= {"do_sample": True, "temperature": writing.temperature} if hot else {"do_sample": False}
        return parameters

    def _generate(self, rows: Sequence[_Asked], abandoned: threading.Event) -> list[Written]:
        inputs = self._tokenizer.pad({"input_ids": [row.ids for row in rows]}, return_tensors="pt").to(
            self._model.device
        )
        if rows[0].parameters.get("do_sample"):
            torch.seed() if rows[0].seed is None else torch.manual_seed(rows[0].seed)
        with torch.inference_mode():
            output = self._model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                stopping_criteria=[Abandoned(abandoned)],
                **rows[0].parameters,
            )
        target = rows[0].parameters.get("forced_bos_token_id")
        return [self._written(row.tolist(), target) for row in output]

    def _written(self, ids: list[int], target: int | None) -> Written:
        """What comes after the token that starts the decoder, and after the one that names the target language."""
        end = self._model.generation_config.eos_token_id
        ends = {end} if isinstance(end, int) else set(end or ())
        # The first token only starts the decoder, and may be the one that ends a text (BART).
        stop = next((place for place, token in enumerate(ids[1:], start=1) if token in ends), None)
        told = 2 if target is not None and ids[1:2] == [target] else 1
        text = self._tokenizer.decode(ids[told:], skip_special_tokens=True).strip()
        return Written(text, "length" if stop is None else "stop", (len(ids) - 1) if stop is None else stop)


class Seq2SeqSummarizer(Summarizer, Seq2Seq):
    """Summarizes."""


class Seq2SeqTranslator(Translator, Seq2Seq):
    """Translates."""


class Seq2SeqBoth(Seq2SeqSummarizer, Seq2SeqTranslator):
    """Summarizes and translates, each by its prefix, as the first T5 do."""


def seq2seq_class(config: Any) -> type[Seq2Seq]:
    """What a configuration says that the model can do."""
    kinds: dict[str, type[Seq2Seq]] = {
        "summarizes": Seq2SeqSummarizer,
        "translates": Seq2SeqTranslator,
        "both": Seq2SeqBoth,
    }
    return by_ability(config, **kinds)
