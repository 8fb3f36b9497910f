"""Extractive summaries: sentences of the text, chosen by an embedding model, so nothing is invented."""

import asyncio

from carteiro.models.interface import EmbeddingModel
from carteiro.models.long_text_embedding import embed_long_texts
from carteiro.schemas.summarize import SummarizeRequest, SummarizeResult
from carteiro.tasks.task import TaskOutput
from carteiro.text.structure import split_parts
from carteiro.text.summaries import central_sentences, format_summary, sentence_count, summarizable_parts


async def summarize_by_similarity(request: SummarizeRequest, model: EmbeddingModel) -> TaskOutput[SummarizeResult]:
    """Summarize by the sentences that are most similar to the whole text. Raise what the model raises."""
    # A text may have ten thousand sentences, so the work runs off the event loop.
    parts = await asyncio.to_thread(lambda: summarizable_parts(split_parts(request.text)))
    # A text without words, such as a horizontal rule, is its own summary.
    texts = [part.text.strip("| ") for part in parts] or [" ".join(request.text.split())]
    embedded = await embed_long_texts(model, texts)
    count = sentence_count(len(texts), request.style, request.length)
    chosen = await asyncio.to_thread(central_sentences, texts, embedded.vectors, count)
    points = [texts[at] for at in chosen]
    bullets = points if request.style == "bullets" else None
    result = SummarizeResult(summary=format_summary(points, request.style), bullets=bullets, parts=1)
    return TaskOutput(result, embedded.usage)
