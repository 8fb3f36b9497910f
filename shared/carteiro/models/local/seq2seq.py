"""Encoder-decoders (T5, BART, Marian, NLLB and their kin) through Transformers: they summarize, translate, or both."""

import asyncio
import itertools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForSeq2SeqLM

from carteiro.models.failures import ModelUnusable, PromptTooLarge
from carteiro.models.interface import Completion, Translation, Writing
from carteiro.models.local.batching import Batcher
from carteiro.models.local.generation import DEFAULT_OUTPUT_TOKENS, Abandoned
from carteiro.models.local.languages import tag_of
from carteiro.models.local.resident import ResidentModel
from carteiro.models.local.routes import Route, choose_route, routes_of
from carteiro.models.local.sampling import COLD
from carteiro.models.splitting import split
from carteiro.schemas import FinishReason, Usage

_BUDGET = 2048
"""Most tokens of one batch, padding included."""
_TRANSLATORS = frozenset({"marian", "m2m_100", "nllb-moe", "mbart", "fsmt"})


@dataclass(frozen=True, slots=True)
class _Asked:
    """A text as tokens, and how `generate` is to be called for it."""

    ids: list[int]
    parameters: Mapping[str, Any]
    seed: int | None


@dataclass(frozen=True, slots=True)
class _Written:
    text: str
    finish_reason: FinishReason
    tokens: int


class Seq2Seq(ResidentModel):
    """An encoder-decoder: a text in, another out. What it can do with one is said by the classes made of it."""

    auto_class = AutoModelForSeq2SeqLM

    def _ready(self) -> None:
        # How far it follows instructions is no question: it does what it was trained for.
        self.small = False
        self._own = (
            self._model.config.task_specific_params if hasattr(self._model.config, "task_specific_params") else {}
        )
        self._reads = self.context_tokens
        self._samples = itertools.count()
        self._batches = Batcher(self.name, self._thread, self._generate, timeout=self._timeout, budget=_BUDGET)

    async def _rewrite(self, text: str, route: Route, writing: Writing) -> tuple[_Written, Usage]:
        """What the model makes of the text with the route's prefix, codes and parameters. Raises `PromptTooLarge`."""
        ids = await self._on_thread(lambda _: self._encode(text, route))
        if len(ids) > self._reads:
            raise PromptTooLarge(f"the text has {len(ids)} tokens; {self.name} reads {self._reads}")
        asked = _Asked(ids, self._parameters(route, writing, len(ids)), writing.seed)
        # Rows that sample go alone: each has its own seed.
        alone = next(self._samples) if asked.parameters.get("do_sample") else None
        kind = (tuple(sorted((name, str(value)) for name, value in asked.parameters.items())), alone)
        written = await self._batches.submit(asked, len(ids), kind)
        return written, Usage(input_tokens=len(ids), output_tokens=written.tokens)

    def _encode(self, text: str, route: Route) -> list[int]:
        if route.source_code is not None:
            self._tokenizer.src_lang = route.source_code
        return list(self._tokenizer(route.prefix + text)["input_ids"])

    def _parameters(self, route: Route, writing: Writing, tokens: int) -> dict[str, Any]:
        parameters = {name: value for name, value in route.parameters.items() if name != "prefix"}
        if parameters.get("min_length", 0) > tokens:
            # More than there is to say.
            del parameters["min_length"]
        if route.first_token is not None:
            parameters["forced_bos_token_id"] = route.first_token
        own_limit = parameters.get("max_length") or self._model.generation_config.max_length
        if writing.max_output_tokens is not None or own_limit is None:
            parameters.pop("max_length", None)
            # Where it has positions, what it writes has to stay within them.
            parameters["max_new_tokens"] = min(writing.max_output_tokens or DEFAULT_OUTPUT_TOKENS, self._reads - 1)
        if writing.temperature is not None:
            hot = writing.temperature > COLD
            parameters |= {"do_sample": True, "temperature": writing.temperature} if hot else {"do_sample": False}
        return parameters

    def _generate(self, rows: Sequence[_Asked], abandoned: threading.Event) -> list[_Written]:
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
        return [self._written(row.tolist()) for row in output]

    def _written(self, ids: list[int]) -> _Written:
        end = self._model.generation_config.eos_token_id
        ends = {end} if isinstance(end, int) else set(end or ())
        # The first token only starts the decoder, and may be the one that ends a text (BART).
        stop = next((place for place, token in enumerate(ids[1:], start=1) if token in ends), None)
        text = self._tokenizer.decode(ids, skip_special_tokens=True).strip()
        return _Written(text, "length" if stop is None else "stop", (len(ids) - 1) if stop is None else stop)


class Seq2SeqSummarizer(Seq2Seq):
    """Summarizes. The prefix and the lengths are the model's own, by `task_specific_params` of its configuration."""

    def _ready(self) -> None:
        super()._ready()
        own = (self._own or {}).get("summarization") or {}
        self._summary = Route(None, "", prefix=own.get("prefix") or "", parameters=own)
        self.context_tokens = self._reads - len(self._encode("", self._summary))

    async def summarize(self, text: str, writing: Writing) -> Completion:
        """Summarize. Raises `PromptTooLarge`, `Unavailable`."""
        written, usage = await self._rewrite(text, self._summary, writing)
        return Completion(written.text, written.finish_reason, usage)


class Seq2SeqTranslator(Seq2Seq):
    """Translates between the languages that its configuration or its tokenizer names."""

    def _ready(self) -> None:
        super()._ready()
        self._routes = routes_of(self._model.config, self._tokenizer, self._checkpoint.location)
        if not self._routes:
            raise ModelUnusable(
                f"{self.name} does not say which languages it translates: name them as source_lang and target_lang in "
                "its tokenizer_config.json, or as translation_XX_to_YY under task_specific_params in its config.json"
            )

    async def translate(self, text: str, source: str | None, target: str) -> Translation:
        """Translate, line by line. Raises `Unsupported` for other languages, `Unavailable`."""
        route = choose_route(self.name, self._routes, source, target)
        if route.source is not None and route.source == route.target:
            return Translation(text, source or route.source, Usage())
        spent = len(await self._on_thread(lambda _: self._encode("", route)))
        pieces = await asyncio.to_thread(self._pieces, text, self._reads - spent)
        written = await asyncio.gather(*(self._piece(piece, route) for piece in pieces))
        usage = sum((usage for _, _, usage in written), Usage())
        cut = any(reason == "length" for _, reason, _ in written)
        tag = source or (tag_of(route.source) if route.source else "und")
        return Translation("".join(text for text, _, _ in written), tag, usage, "length" if cut else "stop")

    def _pieces(self, text: str, limit: int) -> list[str]:
        """Lines, which the models would run together, and parts of those that are too long."""
        return [piece for line in text.splitlines(keepends=True) for piece in split(line, limit, self.count_tokens)]

    async def _piece(self, piece: str, route: Route) -> tuple[str, FinishReason, Usage]:
        if not (plain := piece.strip()):
            return piece, "stop", Usage()
        written, usage = await self._rewrite(plain, route, Writing())
        lead = len(piece) - len(piece.lstrip())
        return piece[:lead] + written.text + piece[len(piece.rstrip()) :], written.finish_reason, usage


class Seq2SeqBoth(Seq2SeqSummarizer, Seq2SeqTranslator):
    """Summarizes and translates, each by its prefix, as the first T5 do."""


def seq2seq_class(config: Any) -> type[Seq2Seq]:
    """What a configuration says that the model can do: one that was made for translation does that; another summarizes,
    and translates where its `task_specific_params` name languages.
    """
    own = getattr(config, "task_specific_params", None) or {}
    translates = any(task.startswith("translation_") for task in own)
    if config.model_type in _TRANSLATORS:
        return Seq2SeqTranslator
    if translates:
        return Seq2SeqBoth if "summarization" in own else Seq2SeqTranslator
    return Seq2SeqSummarizer
