"""What encoder-decoders are asked, whichever engine runs them: summaries and translations of whole texts."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from carteiro.models.in_process.languages import tag_of
from carteiro.models.in_process.routes import Route, choose_route
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


def can_do(model_type: str, own: Mapping[str, Any] | None) -> tuple[bool, bool]:
    """Whether a model summarizes, and whether it translates, by its type and its `task_specific_params`.

    One that was made for translation does that; another summarizes, and translates where `own` names languages.
    """
    if model_type in _TRANSLATORS:
        return False, True
    translates = any(task.startswith("translation_") for task in own or {})
    return "summarization" in (own or {}) or not translates, translates


class Rewriter(ABC):
    """A text in, another out. An engine says how, in `_rewrite` and `_spent`."""

    name: str
    context_tokens: int
    _reads: int
    """Most tokens of one text, its prefix included."""

    @abstractmethod
    def count_tokens(self, text: str) -> int:
        """How many tokens the text has."""

    @abstractmethod
    async def _rewrite(self, text: str, route: Route, writing: Writing) -> tuple[Written, Usage]:
        """What the model makes of the text with the route's prefix, codes and parameters. Raises `PromptTooLarge`."""

    @abstractmethod
    async def _spent(self, route: Route) -> int:
        """How many tokens a route adds to a text."""


class Summarizer(Rewriter):
    """Summarizes. The prefix and the lengths are the model's own, by `task_specific_params` of its configuration."""

    _summary: Route

    async def summarize(self, text: str, writing: Writing) -> Completion:
        """Summarize. Raises `PromptTooLarge`, `Unavailable`."""
        written, usage = await self._rewrite(text, self._summary, writing)
        return Completion(written.text, written.finish_reason, usage)


def summary_route(own: Mapping[str, Any] | None) -> Route:
    """How a model is asked for a summary, by its `task_specific_params`."""
    parameters = (own or {}).get("summarization") or {}
    return Route(None, "", prefix=parameters.get("prefix") or "", parameters=parameters)


class Translator(Rewriter):
    """Translates between the languages that the model's configuration or its tokenizer names."""

    _routes: Sequence[Route]

    async def translate(self, text: str, source: str | None, target: str) -> Translation:
        """Translate, line by line. Raises `Unsupported` for other languages, `Unavailable`."""
        route = choose_route(self.name, self._routes, source, target)
        if route.source is not None and route.source == route.target:
            return Translation(text, source or route.source, Usage())
        pieces = await asyncio.to_thread(self._pieces, text, self._reads - await self._spent(route))
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


NO_LANGUAGES = (
    "does not say which languages it translates: name them as source_lang and target_lang in its "
    "tokenizer_config.json, or as translation_XX_to_YY under task_specific_params in its config.json"
)
