"""Summaries and translations of whole texts by encoder-decoders, the same for all engines."""

import asyncio
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from carteiro.models.errors import ModelUnusable
from carteiro.models.local.inference.batching import Batcher
from carteiro.models.local.inference.in_process_model import InProcessModel
from carteiro.models.local.seq2seq.languages import to_language_tag
from carteiro.models.local.seq2seq.routes import Route, choose_route, find_routes
from carteiro.models.local.text_generation.whitespace import with_surrounding_whitespace
from carteiro.models.prompt import GenerationOptions
from carteiro.models.results import Completion, Translation
from carteiro.schemas import FinishReason, Usage
from carteiro.text.splitter import split_text

_TRANSLATION_MODEL_TYPES = frozenset({"marian", "m2m_100", "nllb-moe", "mbart", "fsmt"})


@dataclass(frozen=True, slots=True)
class GeneratedText:
    """Output of a model for one text, and its number of tokens."""

    text: str
    finish_reason: FinishReason
    token_count: int


class Seq2SeqInput(Protocol):
    """Protocol of a text that is encoded for an engine."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Parameters of the call. Only inputs with equal parameters share a batch."""

    @property
    def batch_key(self) -> int | None:
        """Unique number if the input shares no batch; otherwise None."""


class Seq2SeqModel(InProcessModel):
    """Base class of encoder-decoders: they read one text and write another.

    A subclass for an engine implements `_encode` and `_make_input`, and prepares the other attributes in `_after_load`.
    """

    _max_input_tokens: int
    """Maximum tokens of one text, its prefix included."""
    _config: Any
    _tokenizer: Any
    _task_specific_params: Mapping[str, Any] | None
    """The `task_specific_params` of the model's configuration."""
    _batcher: Batcher[Any, GeneratedText]

    @abstractmethod
    def _after_load(self) -> None:
        """Prepare the attributes, on the thread, after the model is loaded."""

    @abstractmethod
    def _encode(self, text: str, route: Route) -> list[int]:
        """Return the tokens of a text with the route's prefix and codes."""

    @abstractmethod
    def _make_input(self, ids: list[int], route: Route, options: GenerationOptions) -> Seq2SeqInput:
        """Return the input for a batch.

        Parameters of the route override those of the model, and parameters of the request override both.
        """

    async def _generate_text(self, text: str, route: Route, options: GenerationOptions) -> tuple[GeneratedText, Usage]:
        """Return the output for the text and its usage. Raise `PromptTooLarge` or `Unavailable`."""
        ids = await self._on_thread(lambda _: self._encode(text, route))
        self._check_input_length(len(ids), self._max_input_tokens)
        model_input = self._make_input(ids, route, options)
        parameters = tuple(sorted((name, str(value)) for name, value in model_input.parameters.items()))
        with self._translate_errors():
            output = await self._batcher.submit(model_input, len(ids), (parameters, model_input.batch_key))
        return output, Usage(input_tokens=len(ids), output_tokens=output.token_count)


class Summarizer(Seq2SeqModel):
    """Summarizes. The prefix and the lengths are those of `task_specific_params` in the model's configuration."""

    def _after_load(self) -> None:
        super()._after_load()  # type: ignore[safe-super]  # the engine's class implements it
        parameters = (self._task_specific_params or {}).get("summarization") or {}
        self._summary_route = Route(None, "", prefix=parameters.get("prefix") or "", parameters=parameters)
        self.context_tokens = self._max_input_tokens - len(self._encode("", self._summary_route))

    async def summarize(self, text: str, options: GenerationOptions) -> Completion:
        """Summarize. Raise `PromptTooLarge` or `Unavailable`."""
        output, usage = await self._generate_text(text, self._summary_route, options)
        return Completion(output.text, output.finish_reason, usage)


class Translator(Seq2SeqModel):
    """Translates between the languages that the model's configuration or its tokenizer names."""

    def _after_load(self) -> None:
        super()._after_load()  # type: ignore[safe-super]  # the engine's class implements it
        self._routes = find_routes(self._config, self._tokenizer, self._location)
        if not self._routes:
            raise ModelUnusable(
                f"{self.name} does not say which languages it translates: name them as source_lang and target_lang in "
                "its tokenizer_config.json, or as translation_XX_to_YY under task_specific_params in its config.json"
            )

    async def translate(self, text: str, source: str | None, target: str) -> Translation:
        """Translate, line by line. Raise `Unsupported` for other languages, and `Unavailable`."""
        route = choose_route(self.name, self._routes, source, target)
        if route.source is not None and route.source == route.target:
            return Translation(text, source or route.source, Usage())
        overhead = len(await self._on_thread(lambda _: self._encode("", route)))
        pieces = await asyncio.to_thread(self._split_pieces, text, self._max_input_tokens - overhead)
        outputs = await asyncio.gather(*(self._translate_piece(piece, route) for piece in pieces))
        usage = sum((usage for _, _, usage in outputs), Usage())
        cut = any(reason == "length" for _, reason, _ in outputs)
        tag = source or (to_language_tag(route.source) if route.source else "und")
        return Translation("".join(text for text, _, _ in outputs), tag, usage, "length" if cut else "stop")

    def _split_pieces(self, text: str, limit: int) -> list[str]:
        """Return the lines, which the models would join, and parts of the lines that are too long."""
        return [
            piece for line in text.splitlines(keepends=True) for piece in split_text(line, limit, self.count_tokens)
        ]

    async def _translate_piece(self, piece: str, route: Route) -> tuple[str, FinishReason, Usage]:
        if not (plain := piece.strip()):
            return piece, "stop", Usage()
        output, usage = await self._generate_text(plain, route, GenerationOptions())
        return with_surrounding_whitespace(piece, output.text), output.finish_reason, usage


T = TypeVar("T")


def select_by_ability(config: Any, *, summarizes: T, translates: T, both: T) -> T:
    """Return the argument that fits a configuration, by its model type and its `task_specific_params`.

    A model type made for translation translates. Every other model summarizes, and also translates if it names language
    pairs.
    """
    if config.model_type in _TRANSLATION_MODEL_TYPES:
        return translates
    own = getattr(config, "task_specific_params", None) or {}
    if not any(task.startswith("translation_") for task in own):
        return summarizes
    return both if "summarization" in own else translates
