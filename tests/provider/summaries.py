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


class SummaryModel:
    """Answers a part by the name in it. A longer prompt is too long. `hang_at` is the call that is never answered."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.calls: Counter[str] = Counter()
        """Number of calls with each prompt, without those that are too long."""
        self.hang_at: int | None = None
        self.hanging = asyncio.Event()

    async def __call__(self, request: web.Request, body: Json) -> web.StreamResponse:
        prompt = last_words(body)
        words = prompt.split()
        if len(words) > PART_WORDS and "word word" in prompt:
            return await FAULTS["context"](request, body)
        self.calls[prompt] += 1
        if self.calls.total() == self.hang_at:
            self.hanging.set()
            await asyncio.Event().wait()
        await asyncio.sleep(self.seconds)
        name = next((each for each in words if "-" in each), "nothing")
        return web.json_response(answer(body, f"It is about {name}.", prompt=len(words), tokens=300))
