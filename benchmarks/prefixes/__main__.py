"""Measure the packaged causal model with and without kept beginnings of prompts, side by side.

`python -m benchmarks.prefixes` runs both in one process, in turns, so that other load on the machine affects them
alike. Seconds are of the processor, not of the clock.
"""

import asyncio
import resource
import statistics
from collections.abc import Awaitable, Callable

from matplotlib.figure import Figure

from benchmarks.results import Table, argument_parser, parse_arguments, save
from carteiro.models.local.transformers.causal import TransformersCausalModel
from carteiro.models.prompt import Message, Prompt
from carteiro.models.registry import open_model
from carteiro.models.settings import ModelSettings
from carteiro.schemas.sentiment import SentimentRequest
from services.sentiment.task import sentiment

_THINGS = (
    "room soup coat phone bike lamp film book hotel train shop chair song knife garden game boat cake bag clock bed "
    "radio tent door map"
).split()
_REVIEWS = (
    "The {} was too small.",
    "The {} is closed on Mondays.",
    "I loved the {}, but they were rude and slow, so we will not come back.",
    "Great {}, and it lasts two days; the manual could be better, though.",
)
_DOCUMENT = " ".join(
    f"Rule {number}: goods of shelf {number} can be returned within {number + 7} days, if the box is whole."
    for number in range(30)
)
_ABOUT = """\
SmolLM2 with and without kept beginnings of prompts: seconds of the processor, the median of the rounds.
*Sentiments*: by ranking after a prompt with four examples; texts are short reviews, each another one.
*Questions*: on one document, all at once, answers of at most 8 tokens. *Times*: without by with, in each round.
*Read*: tokens that the model read with kept beginnings, as a share of all tokens of the prompts."""

Work = Callable[[int], Awaitable[int]]
"""A workload of a round, by the number of the round. It returns the number of tokens of its prompts."""


def workloads(model: TransformersCausalModel, sentiments: int, questions: int) -> dict[str, Work]:
    """Return the workloads by their names."""

    async def rate(count: int) -> int:
        texts = [review.format(thing) for thing in _THINGS for review in _REVIEWS][:count]
        done = await asyncio.gather(*(sentiment(SentimentRequest(text=text), model) for text in texts))
        return sum(each.usage.input_tokens for each in done)

    async def ask(round_number: int) -> int:
        rules = f"Part {round_number}. {_DOCUMENT}"
        prompts = [
            Prompt(
                messages=[Message("system", rules), Message("user", f"How long can I return goods of shelf {number}?")],
                max_output_tokens=8,
            )
            for number in range(questions)
        ]
        done = await asyncio.gather(*map(model.complete, prompts))
        return sum(each.usage.input_tokens for each in done)

    return {
        "one sentiment": lambda _: rate(1),
        f"{sentiments} sentiments at once": lambda _: rate(sentiments),
        f"{questions} questions at once": ask,
    }


def processor_seconds() -> float:
    """Return the seconds of the processor that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def measure(model: TransformersCausalModel, work: Work, round_number: int) -> tuple[float, float]:
    """Return the seconds of a workload, and the share of the tokens that the model read."""
    began, known = processor_seconds(), model.prefixes.reused_tokens
    tokens = await work(round_number)
    return processor_seconds() - began, 1 - (model.prefixes.reused_tokens - known) / tokens


def table(seconds: dict[str, list[tuple[float, float]]], read: dict[str, float]) -> Table:
    """Return a table with a row for each workload. `seconds` are those without and with, for each round."""
    rows = []
    for name, rounds in seconds.items():
        without, kept = (statistics.median(column) for column in zip(*rounds, strict=True))
        times = ", ".join(f"{one / other:.1f}" for one, other in rounds)
        rows.append([name, f"{without:.2f}", f"{kept:.2f}", times, f"{read[name]:.0%}"])
    return Table(["work", "without s", "with s", "times", "read"], rows)


def plot(seconds: dict[str, list[tuple[float, float]]]) -> Figure:
    """Draw the ratio of each round as a point, and the medians as bars."""
    ratios = {name: [one / other for one, other in rounds] for name, rounds in seconds.items()}
    figure = Figure(figsize=(8, 1 + 0.6 * len(ratios)), layout="constrained")
    axis = figure.subplots()
    bars = axis.barh(list(ratios), [statistics.median(each) for each in ratios.values()], color="#2f6db3")
    axis.bar_label(bars, fmt="{:.1f}", padding=3)
    for name, each in ratios.items():
        axis.plot(each, [name] * len(each), "o", color="#00000066", markersize=4)
    axis.invert_yaxis()
    axis.margins(x=0.15)
    axis.set_xlabel("times as much work in a second of the processor")
    return figure


async def main() -> None:
    parser = argument_parser("benchmarks.prefixes", __doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sentiments", type=int, default=100, help="at most 100 (default: 100)")
    parser.add_argument("--questions", type=int, default=8)
    options = parse_arguments(parser, rounds=1, sentiments=8, questions=2)
    model = open_model("local:smollm2", ModelSettings())
    assert isinstance(model, TransformersCausalModel)
    await model.load()
    limit = model.prefixes.max_bytes
    work = workloads(model, options.sentiments, options.questions)
    await sentiment(SentimentRequest(text="It was good."), model)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in work}
    read: dict[str, float] = {}
    for number in range(options.rounds):
        for name, each in work.items():
            model.prefixes.clear()
            model.prefixes.max_bytes = 0
            without, _ = await measure(model, each, number)
            model.prefixes.max_bytes = limit
            await sentiment(SentimentRequest(text="It was good."), model)
            kept, read[name] = await measure(model, each, number)
            seconds[name].append((without, kept))
            print(f"round {number + 1}  {name:24}", f"{without:.2f} s without, {kept:.2f} s with", flush=True)
    await model.close()
    save(options, "prefixes", "Kept beginnings of prompts", _ABOUT, [table(seconds, read)], plot(seconds))


if __name__ == "__main__":
    asyncio.run(main())
