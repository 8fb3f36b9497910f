"""A model with a small context that summarizes a part in one line, and remembers its calls."""

import asyncio
from collections import Counter

from aiohttp import web

from tests.provider.completions import Json, answer, last_words
from tests.provider.faults import FAULTS

PART_WORDS = 60


def long_text(name: str, parts: int) -> str:
    """Return a text of so many lines, each of which fits the model and no two of which do."""
    filler = " ".join(["word"] * (PART_WORDS * 3 // 4))
    return "\n".join(f"{name}-{number:03d} {filler}." for number in range(parts))


def is_summarized(prompt: str) -> bool:
    """Return True if the model answers the prompt: it is no probe, and not too long."""
    return prompt.startswith("Summarize") and not _is_too_long(prompt)


def _is_too_long(prompt: str) -> bool:
    return len(prompt.split()) > PART_WORDS and "word word" in prompt


class SummaryModel:
    """Answers a part by the name in it. A longer prompt is too long.

    A call takes `seconds`. With `answers`, only so many calls are answered; the others hang until `answer_all`.
    """

    def __init__(self, seconds: float = 0.0, answers: int | None = None) -> None:
        self.seconds, self.answers = seconds, answers
        self._all_answered = asyncio.Event()
        self.calls: Counter[str] = Counter()
        """Number of calls with each prompt, without probes and those that are too long."""
        self.in_flight = 0
        self.failing = ""
        """Name of a part for which the model fails after it has answered the others; empty if it never fails."""

    def answer_all(self) -> None:
        """Answer all calls from now on, also those that hang."""
        self.answers = None
        self._all_answered.set()

    async def __call__(self, request: web.Request, body: Json) -> web.StreamResponse:
        prompt = last_words(body)
        if _is_too_long(prompt):
            return await FAULTS["context"](request, body)
        if not is_summarized(prompt):
            return web.json_response(answer(body, "yes"))  # a probe
        if self.failing and self.failing in prompt:
            while self.in_flight:
                await asyncio.sleep(0.01)
            return await FAULTS["500"](request, body)
        self.calls[prompt] += 1
        self.in_flight += 1
        try:
            if self.answers is not None and self.calls.total() > self.answers:
                await self._all_answered.wait()
            await asyncio.sleep(self.seconds)
        finally:
            self.in_flight -= 1
        words = prompt.split()
        name = next((each for each in words if "-" in each), "nothing")
        return web.json_response(answer(body, f"It is about {name}.", prompt=len(words), tokens=300))
