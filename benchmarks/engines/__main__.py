"""Measure local models by their engines, side by side: eight prompts at once, 64 tokens each.

`python -m benchmarks.engines [NAME ...]` takes names of models as CARTEIRO_MODEL does. The first is the baseline of
the others. Each round runs all of them, one after the other, each in its own process: other load on the machine
affects them alike.
"""

import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from benchmarks.engines.single_model import TOKENS
from benchmarks.results import Table, argument_parser, parse_arguments, save

NAMES = ["local:smollm2", "llamacpp:smollm2", "openvino:smollm2"]
_ABOUT = f"""\
SmolLM2 by its engines: eight stories at once, {TOKENS} tokens each, in rounds of all engines, one after the other.
*Tokens/s*: the median of the rounds. *Times the first*: against the table's first model in the same round. *–*: it
could not be opened there, its extra not being installed."""


def measure_in_process(name: str) -> float | str:
    """Return the tokens a second, measured in a new process, or the reason for a failure."""
    command = [sys.executable, "-m", "benchmarks.engines.single_model", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    last = (done.stdout if done.returncode == 0 else done.stderr or "no reason").strip().splitlines()[-1]
    return float(last) if done.returncode == 0 else last


def table(figures: Mapping[str, Sequence[float]]) -> Table:
    first = next(iter(figures.values()))
    rows = []
    for name, each in figures.items():
        times = ", ".join(f"{one / other:.1f}" for one, other in zip(each, first, strict=False))
        rows.append([f"`{name}`", f"{statistics.median(each):.0f}" if each else "–", times])
    return Table(["model", "tokens/s", "times the first"], rows)


def plot(figures: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the medians as bars, and each round as a point."""
    shown = {name: each for name, each in figures.items() if each}
    figure = Figure(figsize=(8, 1 + 0.6 * len(shown)), layout="constrained")
    axis = figure.subplots()
    bars = axis.barh(list(shown), [statistics.median(each) for each in shown.values()], color="#2f6db3")
    axis.bar_label(bars, fmt="{:.0f}", padding=3)
    for name, each in shown.items():
        axis.plot(each, [name] * len(each), "o", color="#00000066", markersize=4)
    axis.invert_yaxis()
    axis.margins(x=0.15)
    axis.set_xlabel("tokens a second")
    return figure


def main() -> None:
    parser = argument_parser("benchmarks.engines", __doc__)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    parser.add_argument("--rounds", type=int, default=3)
    options = parse_arguments(parser, rounds=1)
    figures: dict[str, list[float]] = {name: [] for name in options.names}
    missing: dict[str, str] = {}
    for number in range(options.rounds):
        for name in options.names:
            found = measure_in_process(name)
            print(f"round {number + 1}  {name:24}", f"{found:.1f} tokens/s" if isinstance(found, float) else found)
            if isinstance(found, float):
                figures[name].append(found)
            else:
                missing[name] = found
    save(options, "engines", "Engines", _ABOUT, [table(figures)], plot(figures))
    if missing:
        sys.exit("".join(f"benchmarks.engines: no figure for {name}: {why}\n" for name, why in missing.items()))


if __name__ == "__main__":
    main()
