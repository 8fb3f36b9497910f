"""Measure local models by their engines, side by side: eight prompts at once, 64 tokens each.

`python -m benchmarks.engines [NAME ...]` takes names of models as CARTEIRO_MODEL does; the first is what the others
are compared with. Each round runs all of them, one after the other, each in a process of its own: what else the machine
does meanwhile meets them alike.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import time

from carteiro.models.failures import ModelUnusable
from carteiro.models.interface import ChatModel, Message, Prompt
from carteiro.models.opening import open_model
from carteiro.models.settings import ModelSettings

NAMES = ["local:smollm2", "llamacpp:smollm2", "openvino:smollm2"]
TOKENS = 64
_THINGS = "a lighthouse, an old train, two brothers, a lost key, the first snow, a baker, a river, a clock".split(", ")


async def measure(name: str) -> float:
    """Tokens a second, once the model has warmed up."""
    model = open_model(name, ModelSettings())
    assert isinstance(model, ChatModel)
    await model.load()
    asked = [
        Prompt(messages=[Message("user", f"Tell me a very long story about {thing}.")], max_output_tokens=TOKENS)
        for thing in _THINGS
    ]
    await model.complete(Prompt(messages=asked[0].messages, max_output_tokens=4))
    began = time.perf_counter()
    done = await asyncio.gather(*(model.complete(prompt) for prompt in asked))
    seconds = time.perf_counter() - began
    await model.close()
    return sum(each.usage.output_tokens for each in done) / seconds


def measured(name: str) -> float | str:
    """The same in a process of its own, or why there is no figure."""
    command = [sys.executable, "-m", "benchmarks.engines", "--one", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    last = (done.stdout if done.returncode == 0 else done.stderr or "no reason").strip().splitlines()[-1]
    return float(last) if done.returncode == 0 else last


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        try:
            print(asyncio.run(measure(given.names[0])))
        except ModelUnusable as failure:
            sys.exit(str(failure))
        return
    figures: dict[str, list[float]] = {name: [] for name in given.names}
    for number in range(given.rounds):
        for name in given.names:
            found = measured(name)
            print(f"round {number + 1}  {name:24}", f"{found:.1f} tokens/s" if isinstance(found, float) else found)
            if isinstance(found, float):
                figures[name].append(found)
    print("\n| model | tokens/s (median) | times the first (each round) |\n| --- | --- | --- |")
    first = figures[given.names[0]]
    for name, each in figures.items():
        if each:
            ratios = [one / other for one, other in zip(each, first, strict=False)]
            print(f"| `{name}` | {statistics.median(each):.0f} | {', '.join(f'{ratio:.1f}' for ratio in ratios)} |")


if __name__ == "__main__":
    main()
