"""summarize: in one reading where the text fits the model, else part by part, and then the parts' summaries."""

import asyncio
import re
from typing import Literal

from carteiro.models.failures import PromptTooLarge
from carteiro.models.grounding import content_words, names_hold, numbers_hold, sentences, share
from carteiro.models.interface import ChatModel, Message
from carteiro.models.splitting import split
from carteiro.schemas import FinishReason, SummarizeRequest, SummarizeResult, Usage
from carteiro.worker.task import Done, Task, prompt

_SENTENCES = {"short": 1, "medium": 3, "long": 8}
_ASKED = {
    "paragraph": {
        "short": "Summarize the following text in one sentence.",
        "medium": "Summarize the following text in two or three sentences.",
        "long": "Summarize the following text in one detailed paragraph.",
    },
    "bullets": {
        "short": "List the one to three main points of the following text, one a line, each beginning with '- '.",
        "medium": "List the main points of the following text, one a line, each beginning with '- '.",
        "long": "List all points of the following text, one a line, each beginning with '- '.",
    },
}
_OUTPUT_TOKENS = {"short": 96, "medium": 192, "long": 512}
_REPEATED = 0.8
"""A sentence with this part of its words already said adds nothing."""
_BULLET = re.compile(r"^\s*(?:[-*•–]|\d+[.)])\s+")
_SMALL_ASKED = "{text}\n\nIn short:"
"""What a small model follows best, bullets or not; its sentences become the points."""
_GROUNDED = 0.75
"""Which part of a small model's sentence has to be in the text for the sentence to be kept."""


Style = Literal["paragraph", "bullets"]


class _Summary:
    """One request's summary in the making: what was spent on it, and whether anything was cut."""

    def __init__(self, request: SummarizeRequest, model: ChatModel) -> None:
        self._request, self._model = request, model
        self.usage = Usage()
        self.finish_reason: FinishReason = "stop"
        self.parts = 1

    async def of(self, text: str, limit: int | None) -> list[str]:
        """The points of a text: sentences, or bullets."""
        # Off the event loop: counting the tokens of a long text takes a while.
        pieces = await asyncio.to_thread(split, text, limit, self._model.count_tokens) if limit else [text]
        try:
            summaries = [await self._read(piece) for piece in pieces]
        except PromptTooLarge:
            # Only the provider knows its limit, and has now told us: such a call is not paid for.
            if limit == 1:
                raise
            return await self.of(text, (limit or self._model.count_tokens(text)) // 2 or 1)
        if len(pieces) == 1:
            return summaries[0]
        self.parts = max(self.parts, len(pieces))
        points = [point for summary in summaries for point in summary]
        joined = "\n".join(points)
        if self._model.small or len(joined) >= len(text):
            # A small model's summary of summaries strays from the text; its points stand as they are.
            return points
        return await self.of(joined, limit)

    async def _read(self, text: str) -> list[str]:
        style, length = self._request.style, self._request.length
        if self._model.small:
            asked, style = _SMALL_ASKED.format(text=text.strip()), "paragraph"
        else:
            asked = f"{_ASKED[style][length]}\n\n{text.strip()}"
        completion = await self._model.complete(
            prompt(self._request, [Message("user", asked)], max_output_tokens=_OUTPUT_TOKENS[length])
        )
        self.usage += completion.usage
        points = _points(completion.text, style)
        if self._model.small:
            return _faithful(points, text)[: _SENTENCES[length]]
        if completion.finish_reason == "length":
            self.finish_reason = "length"
        return points


async def summarize(request: SummarizeRequest, model: ChatModel) -> Done[SummarizeResult]:
    """Summarize a text of any length."""
    summary = _Summary(request, model)
    points = await summary.of(request.text, model.context_tokens // 4 if model.context_tokens else None)
    bullets = points if request.style == "bullets" else None
    text = "\n".join(f"- {point}" for point in bullets) if bullets else " ".join(points)
    return Done(
        SummarizeResult(summary=text, bullets=bullets, parts=summary.parts), summary.usage, summary.finish_reason
    )


def _points(text: str, style: Style) -> list[str]:
    if style == "paragraph":
        return [" ".join(each.text.split()) for each in sentences(text)]
    lines = [_BULLET.sub("", line).strip() for line in text.splitlines() if line.strip()]
    return lines if len(lines) > 1 else [each.text for each in sentences(lines[0] if lines else "")]


def _faithful(points: list[str], text: str) -> list[str]:
    """The points that rest on the text: small models invent names and numbers. The nearest one, where none does."""
    source = content_words(text)
    # The last may have been cut in the middle.
    whole = [point for point in points if point[-1:] in ".!?…"] or points
    kept: list[str] = []
    for point in whole:
        said = content_words(" ".join(kept))
        if _rests_on(point, text, source) and share(content_words(point), said) < _REPEATED:
            kept.append(point)
    return kept or sorted(whole, key=lambda point: -share(content_words(point), source))[:1]


def _rests_on(point: str, text: str, source: frozenset[str]) -> bool:
    words = content_words(point)
    return share(words, source) >= _GROUNDED and numbers_hold(words, source) and names_hold(point, text)


task = Task(request=SummarizeRequest, run=summarize, abilities=(ChatModel,))
