"""summarize: in one reading where the text fits the model, else part by part, and then the parts' summaries."""

import asyncio
import re
from typing import Literal

from carteiro.models.failures import InvalidOutput, PromptTooLarge
from carteiro.models.grounding import content_words, names_hold, numbers_hold, share
from carteiro.models.interface import ChatModel, Message, SummaryModel, Writing
from carteiro.models.sentences import sentences, whole
from carteiro.models.splitting import split
from carteiro.schemas import FinishReason, SummarizeRequest, SummarizeResult, Usage
from carteiro.worker.task import Done, Task, complete, prompt

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
_NEAR = 0.3
"""Below this a sentence is about something else, and better left out than shown for want of a better one."""
_SHRUNK = 0.7
"""Summaries longer than this part of what was summarized are not summarized again: it would go on for ever."""
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

    def __init__(self, request: SummarizeRequest, model: SummaryModel | ChatModel) -> None:
        self._request, self._model = request, model
        self.usage = Usage()
        self.finish_reason: FinishReason = "stop"
        self.parts = 1
        self._readings = 0

    async def of(self, text: str, limit: int | None) -> list[str]:
        """The points of a text: sentences, or bullets."""
        points: list[str] = []
        before = self._readings
        # Off the event loop: counting the tokens of a long text takes a while.
        for piece in await asyncio.to_thread(split, text, limit, self._model.count_tokens) if limit else [text]:
            points += await self._piece(piece)
        readings = self._readings - before
        self.parts = max(self.parts, readings)
        joined = "\n".join(points)
        if readings == 1 or self._model.small or len(joined) > _SHRUNK * len(text):
            # A small model's summary of summaries strays from the text; its points stand as they are.
            return points
        return await self.of(joined, limit)

    async def _piece(self, text: str) -> list[str]:
        if not text.strip():
            return []
        try:
            points = await self._read(text)
        except PromptTooLarge:
            # Only the provider knows its limit, and has now told us: such a call is not paid for.
            if len(text) < 2:
                raise
            return [point for half in split(text, (len(text) + 1) // 2, len) for point in await self._piece(half)]
        self._readings += 1
        return points

    async def _read(self, text: str) -> list[str]:
        style, length = self._request.style, self._request.length
        if isinstance(self._model, SummaryModel):
            options = self._request.options
            writing = Writing(
                temperature=options.temperature, max_output_tokens=options.max_output_tokens, seed=options.seed
            )
            done = await self._model.summarize(text.strip(), writing)
            self.usage += done.usage
            if done.finish_reason == "length":
                self.finish_reason = "length"
            return _points(done.text, "paragraph")
        if self._model.small:
            asked, style = _SMALL_ASKED.format(text=text.strip()), "paragraph"
        else:
            asked = f"{_ASKED[style][length]}\n\n{text.strip()}"
        completion = await complete(
            self._model, prompt(self._request, [Message("user", asked)], max_output_tokens=_OUTPUT_TOKENS[length])
        )
        self.usage += completion.usage
        points = _points(completion.text, style)
        if self._model.small:
            points = _faithful(points, text)[: _SENTENCES[length]]
        # A small model goes on until it is cut; what is left of it may be whole all the same.
        unfinished = not self._model.small or (points and not whole(points[-1]))
        if completion.finish_reason == "length" and (unfinished or self._request.options.max_output_tokens):
            self.finish_reason = "length"
        return points


async def summarize(request: SummarizeRequest, model: SummaryModel | ChatModel) -> Done[SummarizeResult]:
    """Summarize a text of any length. Raises `InvalidOutput` where a small model writes of something else."""
    summary = _Summary(request, model)
    # What a model that chats reads and writes shares its context.
    share_of = 1 if isinstance(model, SummaryModel) else 4
    points = await summary.of(request.text, model.context_tokens // share_of if model.context_tokens else None)
    if not points:
        raise InvalidOutput("nothing that the model wrote rests on the text")
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
    ended = [point for point in points if whole(point)] or points
    kept: list[str] = []
    for point in ended:
        said = content_words(" ".join(kept))
        if _rests_on(point, text, source) and share(content_words(point), said) < _REPEATED:
            kept.append(point)
    near = [point for point in ended if share(content_words(point), source) >= _NEAR]
    return kept or sorted(near, key=lambda point: -share(content_words(point), source))[:1]


def _rests_on(point: str, text: str, source: frozenset[str]) -> bool:
    words = content_words(point)
    return share(words, source) >= _GROUNDED and numbers_hold(words, source) and names_hold(point, text)


task = Task(request=SummarizeRequest, run=summarize, abilities=(SummaryModel, ChatModel))
