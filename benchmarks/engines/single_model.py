"""`python -m benchmarks.engines.single_model NAME`: eight prompts at once to one model; prints tokens a second."""

import asyncio
import sys
import time

from carteiro.models.errors import ModelUnusable
from carteiro.models.interface import ChatModel
from carteiro.models.prompt import Message, Prompt
from carteiro.models.registry import open_model
from carteiro.models.settings import ModelSettings

TOKENS = 64
_SUBJECTS = "a lighthouse, an old train, two brothers, a lost key, the first snow, a baker, a river, a clock".split(
    ", "
)


async def measure(name: str) -> float:
    """Return the tokens a second after a warm-up."""
    model = open_model(name, ModelSettings())
    assert isinstance(model, ChatModel)
    await model.load()
    prompts = [
        Prompt(messages=[Message("user", f"Tell me a very long story about {thing}.")], max_output_tokens=TOKENS)
        for thing in _SUBJECTS
    ]
    await model.complete(Prompt(messages=prompts[0].messages, max_output_tokens=4))
    began = time.perf_counter()
    done = await asyncio.gather(*(model.complete(prompt) for prompt in prompts))
    seconds = time.perf_counter() - began
    await model.close()
    return sum(each.usage.output_tokens for each in done) / seconds


if __name__ == "__main__":
    try:
        print(asyncio.run(measure(sys.argv[1])))
    except ModelUnusable as failure:
        sys.exit(str(failure))
