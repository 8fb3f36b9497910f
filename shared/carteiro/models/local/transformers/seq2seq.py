"""Encoder-decoders (T5, BART, Marian, NLLB and similar) through Transformers: they summarize, translate, or both."""

import itertools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForSeq2SeqLM, StoppingCriteria

from carteiro.models.local.inference.batching import Batcher
from carteiro.models.local.seq2seq.routes import Route
from carteiro.models.local.seq2seq.seq2seq_model import (
    GeneratedText,
    Seq2SeqModel,
    Summarizer,
    Translator,
    select_by_ability,
)
from carteiro.models.local.text_generation.defaults import DEFAULT_OUTPUT_TOKENS, is_sampled
from carteiro.models.local.transformers.transformers_model import TransformersModel
from carteiro.models.prompt import GenerationOptions

_MAX_BATCH_TOKENS = 2048
"""Maximum tokens of one batch, padding included."""


class _CancellationCriteria(StoppingCriteria):  # type: ignore[misc]
    """Stopping criterion that ends a generation when `cancelled` is set."""

    def __init__(self, cancelled: threading.Event) -> None:
        self._cancelled = cancelled

    def __call__(self, input_ids: torch.Tensor, _scores: torch.Tensor, **_: Any) -> torch.Tensor:
        return torch.full((input_ids.shape[0],), self._cancelled.is_set(), device=input_ids.device)


@dataclass(frozen=True, slots=True)
class _TransformersInput:
    """A text as tokens, and the parameters of `generate` for it."""

    token_ids: list[int]
    parameters: Mapping[str, Any]
    seed: int | None
    batch_key: int | None


class TransformersSeq2Seq(TransformersModel, Seq2SeqModel):
    """An encoder-decoder: it reads one text and writes another. The subclasses add its abilities."""

    auto_class = AutoModelForSeq2SeqLM

    def _after_load(self) -> None:
        # Size does not matter here: the model follows no instructions, it does only what it was trained for.
        self.is_small = False
        self._config = self._model.config
        self._task_specific_params = getattr(self._config, "task_specific_params", None)
        self._max_input_tokens = self.context_tokens
        self._batch_keys = itertools.count()
        self._batcher = Batcher(
            self.name, self._thread, self._generate, timeout=self._timeout, max_batch_tokens=_MAX_BATCH_TOKENS
        )

    def _encode(self, text: str, route: Route) -> list[int]:
        if route.source_code is not None:
            self._tokenizer.src_lang = route.source_code
        return list(self._tokenizer(route.prefix + text)["input_ids"])

    def _make_input(self, ids: list[int], route: Route, options: GenerationOptions) -> _TransformersInput:
        parameters = self._generation_parameters(route, options, len(ids))
        # A row that samples shares no batch, because each row has its own seed.
        batch_key = next(self._batch_keys) if parameters.get("do_sample") else None
        return _TransformersInput(ids, parameters, options.seed, batch_key)

    def _generation_parameters(self, route: Route, options: GenerationOptions, tokens: int) -> dict[str, Any]:
        parameters = {name: value for name, value in route.parameters.items() if name != "prefix"}
        if parameters.get("min_length", 0) > tokens:
            # A minimum above the length of the text would make the model invent text.
            del parameters["min_length"]
        own_limit = parameters.get("max_length") or self._model.generation_config.max_length
        if options.max_output_tokens is not None or own_limit is None:
            parameters.pop("max_length", None)
            # The output must fit into the position table, if the model has one.
            parameters["max_new_tokens"] = min(
                options.max_output_tokens or DEFAULT_OUTPUT_TOKENS, self._max_input_tokens - 1
            )
        if options.temperature is not None:
            sampled = is_sampled(options.temperature)
            parameters |= {"do_sample": True, "temperature": options.temperature} if sampled else {"do_sample": False}
            if sampled and options.top_p is not None:
                parameters["top_p"] = options.top_p
        return parameters

    def _generate(self, rows: Sequence[_TransformersInput], cancelled: threading.Event) -> list[GeneratedText]:
        inputs = self._tokenizer.pad({"input_ids": [row.token_ids for row in rows]}, return_tensors="pt").to(
            self._model.device
        )
        if rows[0].parameters.get("do_sample"):
            torch.seed() if rows[0].seed is None else torch.manual_seed(rows[0].seed)
        with torch.inference_mode():
            output = self._model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                stopping_criteria=[_CancellationCriteria(cancelled)],
                **rows[0].parameters,
            )
        target = rows[0].parameters.get("forced_bos_token_id")
        return [self._decode_output(row.tolist(), target) for row in output]

    def _decode_output(self, ids: list[int], target_token_id: int | None) -> GeneratedText:
        """Return the text after the start token of the decoder and after the token of the target language."""
        end = self._model.generation_config.eos_token_id
        ends = {end} if isinstance(end, int) else set(end or ())
        # The first token starts the decoder. In BART the same token also ends a text, so the search skips it.
        stop = next((index for index, token in enumerate(ids[1:], start=1) if token in ends), None)
        start = 2 if target_token_id is not None and ids[1:2] == [target_token_id] else 1
        text = self._tokenizer.decode(ids[start:], skip_special_tokens=True).strip()
        return GeneratedText(text, "length" if stop is None else "stop", (len(ids) - 1) if stop is None else stop)


class TransformersSummarizer(Summarizer, TransformersSeq2Seq):
    """Encoder-decoder that summarizes."""


class TransformersTranslator(Translator, TransformersSeq2Seq):
    """Encoder-decoder that translates."""


class TransformersSummarizerTranslator(TransformersSummarizer, TransformersTranslator):
    """Encoder-decoder that summarizes and translates, by a prefix for each, as the first T5 models do."""


def seq2seq_class(config: Any) -> type[TransformersSeq2Seq]:
    """Return the class with the abilities that a configuration names."""
    kinds: dict[str, type[TransformersSeq2Seq]] = {
        "summarizes": TransformersSummarizer,
        "translates": TransformersTranslator,
        "both": TransformersSummarizerTranslator,
    }
    return select_by_ability(config, **kinds)
