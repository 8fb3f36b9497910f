"""Abstractive summaries, which a model writes.

If the text does not fit the context, its parts are summarized first, and then their summaries.
"""

import asyncio
import re
from dataclasses import replace

from carteiro.models.errors import InvalidOutput, PromptTooLarge
from carteiro.models.interface import ChatModel, SummaryModel
from carteiro.models.prompt import GenerationOptions, Message
from carteiro.models.stop_sequences import truncate_at_stop
from carteiro.schemas import FinishReason, Usage
from carteiro.schemas.summarize import SummarizeRequest, SummarizeResult
from carteiro.tasks.parts import PartRunner
from carteiro.tasks.task import TaskOutput, build_prompt, complete
from carteiro.text.grounding import content_words, names_supported, numbers_supported, overlap
from carteiro.text.sentences import is_complete, split_sentences
from carteiro.text.splitter import split_text
from carteiro.text.summaries import Style, format_summary

_MAX_SENTENCES = {"short": 1, "medium": 3, "long": 8}
_PROMPTS = {
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
_MAX_OUTPUT_TOKENS = {"short": 96, "medium": 192, "long": 512}
_MIN_OVERLAP = 0.3
"""Minimum share of a sentence's words in the text for a fallback; below it, the sentence is about something else."""
_MAX_LENGTH_RATIO = 0.7
"""Summaries above this share of their text's length are not summarized again, because the recursion might not end."""
_MAX_REPEATED_SHARE = 0.8
"""A sentence with this share of its words in earlier sentences adds nothing."""
_BULLET = re.compile(r"^\s*(?:[-*•–]|\d+[.)])\s+")
_SMALL_MODEL_PROMPT = "{text}\n\nIn short:"
"""Prompt that small models follow best, also for bullets; the sentences of the output become the points."""
_MIN_GROUNDED_SHARE = 0.75
"""Minimum share of words in the text for a small model's sentence to be kept."""


class _SummaryBuilder:
    """Builds the summary of one request and records its usage and finish reason."""

    def __init__(self, request: SummarizeRequest, model: SummaryModel | ChatModel) -> None:
        self._request, self._model = request, model
        self._parts = PartRunner(model, streamed=request.options.stream)
        self.usage = Usage()
        self.finish_reason: FinishReason = "stop"
        self.part_count = 1
        self._model_calls = 0

    async def points_of(self, text: str, max_tokens: int | None) -> list[str]:
        """Return the points of a text, sentences or bullets. `max_tokens` bounds one part; None means no limit."""
        calls_before = self._model_calls
        # Counting the tokens of a long text takes time, so the split runs off the event loop.
        pieces = (
            await asyncio.to_thread(split_text, text, max_tokens, self._model.count_tokens) if max_tokens else [text]
        )
        points = await self._summarize_pieces(pieces)
        part_count = self._model_calls - calls_before
        self.part_count = max(self.part_count, part_count)
        joined = "\n".join(points)
        if part_count == 1 or self._model.is_small or len(joined) > _MAX_LENGTH_RATIO * len(text):
            # A small model's summary of summaries would stray from the text, so its points are kept unchanged.
            return points
        return await self.points_of(joined, max_tokens)

    async def _summarize_pieces(self, pieces: list[str]) -> list[str]:
        return [point for points in await self._parts.run(pieces, self._summarize_piece) for point in points]

    async def _summarize_piece(self, text: str) -> list[str]:
        # Only the provider may know its limit, and its rejection of a prompt costs nothing. So the first half is tried,
        # then the first quarter; the rest is in pieces of the size that was accepted.
        piece, *rest = [text]
        while True:
            try:
                points = await self._summarize_once(piece)
            except PromptTooLarge:
                if len(piece) < 2:
                    raise
                piece, *rest = split_text(text, (len(piece) + 1) // 2, len)
            else:
                return points + await self._summarize_pieces(rest)

    async def _summarize_once(self, text: str) -> list[str]:
        if not text.strip():
            return []
        async with self._parts.call():
            points = await self._call_model(text)
        self._model_calls += 1
        return points

    async def _call_model(self, text: str) -> list[str]:
        style, length = self._request.style, self._request.length
        if isinstance(self._model, SummaryModel):
            options = self._request.options
            generation_options = GenerationOptions(
                temperature=options.temperature,
                top_p=options.top_p,
                max_output_tokens=options.max_output_tokens,
                seed=options.seed,
            )
            completion = await self._model.summarize(text.strip(), generation_options)
            completion = replace(completion, text=truncate_at_stop(completion.text, options.stop)[0])
            self.usage += completion.usage
            if completion.finish_reason == "length":
                self.finish_reason = "length"
            return _split_points(completion.text, "paragraph")
        if self._model.is_small:
            content, style = _SMALL_MODEL_PROMPT.format(text=text.strip()), "paragraph"
        else:
            content = f"{_PROMPTS[style][length]}\n\n{text.strip()}"
        completion = await complete(
            self._model,
            build_prompt(self._request, [Message("user", content)], max_output_tokens=_MAX_OUTPUT_TOKENS[length]),
        )
        self.usage += completion.usage
        points = _split_points(completion.text, style)
        if self._model.is_small:
            points = _grounded_points(points, text)[: _MAX_SENTENCES[length]]
        # A small model often writes until its limit, but the points that are kept may still be complete.
        unfinished = not self._model.is_small or (points and not is_complete(points[-1]))
        if completion.finish_reason == "length" and (unfinished or self._request.options.max_output_tokens):
            self.finish_reason = "length"
        return points


async def summarize_by_generation(
    request: SummarizeRequest, model: SummaryModel | ChatModel
) -> TaskOutput[SummarizeResult]:
    """Summarize a text of any length. Raise `InvalidOutput` if no part of a small model's output rests on the text."""
    summary = _SummaryBuilder(request, model)
    # The context of a chat model holds both input and output.
    divisor = 1 if isinstance(model, SummaryModel) else 4
    points = await summary.points_of(request.text, model.context_tokens // divisor if model.context_tokens else None)
    if not points:
        raise InvalidOutput("nothing that the model wrote rests on the text")
    bullets = points if request.style == "bullets" else None
    result = SummarizeResult(summary=format_summary(points, request.style), bullets=bullets, parts=summary.part_count)
    return TaskOutput(result, summary.usage, summary.finish_reason)


def _split_points(text: str, style: Style) -> list[str]:
    if style == "paragraph":
        return [" ".join(each.text.split()) for each in split_sentences(text)]
    lines = [_BULLET.sub("", line).strip() for line in text.splitlines() if line.strip()]
    return lines if len(lines) > 1 else [each.text for each in split_sentences(lines[0] if lines else "")]


def _grounded_points(points: list[str], text: str) -> list[str]:
    """Return the points that rest on the text.

    If there are none, return the closest point without an invented name or number, if any.
    """
    source = content_words(text)
    # The last point may have been cut in the middle.
    ended = [point for point in points if is_complete(point)] or points
    supported = [point for point in ended if numbers_supported(point, text) and names_supported(point, text)]
    kept: list[str] = []
    for point in supported:
        kept_words = content_words(" ".join(kept))
        repeated_share = overlap(content_words(point), kept_words)
        if _overlap(point, source) >= _MIN_GROUNDED_SHARE and repeated_share < _MAX_REPEATED_SHARE:
            kept.append(point)
    near = [point for point in supported if _overlap(point, source) >= _MIN_OVERLAP]
    return kept or sorted(near, key=lambda point: -_overlap(point, source))[:1]


def _overlap(point: str, source: frozenset[str]) -> float:
    return overlap(content_words(point), source)
