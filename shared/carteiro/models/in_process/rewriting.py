"""What encoder-decoders are asked, whichever engine runs them: summaries and translations of whole texts."""

import asyncio
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from carteiro.models.failures import ModelUnusable
from carteiro.models.in_process.batching import Batcher
from carteiro.models.in_process.languages import tag_of
from carteiro.models.in_process.model import InProcessModel
from carteiro.models.in_process.routes import Route, choose_route, routes_of
from carteiro.models.in_process.stripping import around
from carteiro.models.interface import Completion, Translation, Writing
from carteiro.models.splitting import split
from carteiro.schemas import FinishReason, Usage

_TRANSLATORS = frozenset({"marian", "m2m_100", "nllb-moe", "mbart", "fsmt"})


@dataclass(frozen=True, slots=True)
class Written:
    """What a model made of a text, in so many tokens."""

    text: str
    finish_reason: FinishReason
    tokens: int


class Asked(Protocol):
    """A text as an engine takes it."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """How the model is called for it. Those with the same may share a batch."""

    @property
    def alone(self) -> int | None:
        """A number of its own where it may share a batch with none."""


class Rewriter(InProcessModel):
    """A text in, another out. An engine says how, in `_encode` and `_asked`, and makes the rest ready in `_ready`."""

    _reads: int
    """Most tokens of one text, its prefix included."""
    _config: Any
    _tokenizer: Any
    _own: Mapping[str, Any] | None
    """The model's `task_specific_params`."""
    _batches: Batcher[Any, Written]

    @abstractmethod
    def _ready(self) -> None:
        """Make ready, on the thread, once the model is read."""

    @abstractmethod
    def _encode(self, text: str, route: Route) -> list[int]:
        """The tokens of a text with the route's prefix and codes."""

    @abstractmethod
    def _asked(self, ids: list[int], route: Route, writing: Writing) -> Asked:
        """What goes into a batch: the parameters are the route's before the model's, and the request's before both."""

    async def _rewrite(self, text: str, route: Route, writing: Writing) -> tuple[Written, Usage]:
        """What the model makes of the text. Raises `PromptTooLarge`."""
        ids = await self._on_thread(lambda _: self._encode(text, route))
        self._check_text(len(ids), self._reads)
        asked = self._asked(ids, route, writing)
        kind = (tuple(sorted((name, str(value)) for name, value in asked.parameters.items())), asked.alone)
        with self._told():
            written = await self._batches.submit(asked, len(ids), kind)
        return written, Usage(input_tokens=len(ids), output_tokens=written.tokens)


class Summarizer(Rewriter):
    """Summarizes. The prefix and the lengths are the model's own, by `task_specific_params` of its configuration."""

    def _ready(self) -> None:
        super()._ready()  # type: ignore[safe-super]  # the engine's
        parameters = (self._own or {}).get("summarization") or {}
        self._summary = Route(None, "", prefix=parameters.get("prefix") or "", parameters=parameters)
        self.context_tokens = self._reads - len(self._encode("", self._summary))

    async def summarize(self, text: str, writing: Writing) -> Completion:
        """Summarize. Raises `PromptTooLarge`, `Unavailable`."""
        written, usage = await self._rewrite(text, self._summary, writing)
        return Completion(written.text, written.finish_reason, usage)


class Translator(Rewriter):
    """Translates between the languages that the model's configuration or its tokenizer names."""

    def _ready(self) -> None:
        super()._ready()  # type: ignore[safe-super]  # the engine's
        self._routes = routes_of(self._config, self._tokenizer, self._location)
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
        return around(piece, written.text), written.finish_reason, usage


T = TypeVar("T")


def by_ability(config: Any, *, summarizes: T, translates: T, both: T) -> T:
    """Which of these a configuration is of, by its type and its `task_specific_params`.

    A model that was made for translation does that; another summarizes, and translates where it names languages.
    """
    if config.model_type in _TRANSLATORS:
        return translates
    own = getattr(config, "task_specific_params", None) or {}
    if not any(task.startswith("translation_") for task in own):
        return summarizes
    return both if "summarization" in own else translates
