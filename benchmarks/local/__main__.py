"""`python -m benchmarks.local`: one model, the same prompts, four ways to serve it, one after the other."""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from benchmarks.broker import broker
from benchmarks.local.by_carteiro import carteiro
from benchmarks.local.by_serve import serve
from benchmarks.local.by_transformers import (
    classify_one_at_a_time,
    classify_static_batches,
    one_at_a_time,
    static_batches,
)
from benchmarks.local.classifier import make_classifier
from benchmarks.local.report import TITLES, about, plot, table
from benchmarks.local.work import Outcome, completions, texts
from benchmarks.results import parse, parser, save
from carteiro.models.in_process.checkpoint import find_checkpoint
from carteiro.models.local.machine import choose_machine, set_threads
from carteiro.models.local.weights import converted


def smollm2() -> Path:
    """The packaged model as a directory."""
    gguf = find_checkpoint("smollm2").gguf_path
    assert gguf is not None
    return converted(gguf)


async def generation(options: argparse.Namespace, bootstrap: str) -> Sequence[Outcome]:
    """One after the other, each with the whole machine."""
    machine, work = choose_machine(options.device, options.dtype), completions(options.completions)
    model = Path(options.model) if options.model else smollm2()
    return [
        one_at_a_time(model, work, machine),
        static_batches(model, work, machine),
        await serve(model, work, machine, options.output / "serve.log"),
        await carteiro("generate", model, work, machine, bootstrap, options.output / "generate.log"),
    ]


async def classification(options: argparse.Namespace, bootstrap: str) -> Sequence[Outcome]:
    """The same for a classifier."""
    machine, work = choose_machine(options.device, options.dtype), texts(options.texts)
    with tempfile.TemporaryDirectory() as directory:
        model = make_classifier(Path(directory))
        return [
            classify_one_at_a_time(model, work, machine),
            classify_static_batches(model, work, machine),
            await carteiro("sentiment", model, work, machine, bootstrap, options.output / "sentiment.log"),
        ]


async def main() -> None:
    made = parser("benchmarks.local", __doc__, kafka=True)
    made.add_argument("--completions", type=int, default=24, help="how many (default: 24)")
    made.add_argument("--texts", type=int, default=128, help="how many are classified (default: 128)")
    made.add_argument("--model", help="a directory with a causal model (default: the packaged SmolLM2)")
    made.add_argument("--device", default="auto")
    made.add_argument("--dtype", default="auto")
    made.add_argument("--only", choices=list(TITLES))
    options = parse(made, completions=4, texts=16)
    set_threads(None)
    async with broker(options.bootstrap) as bootstrap:
        for part in (generation, classification):
            name = part.__name__
            if options.only in (None, name):
                outcomes = await part(options, bootstrap)
                title = TITLES[name]
                save(options, name, title, about(name, outcomes), [table(outcomes)], plot(title, outcomes))


if __name__ == "__main__":
    asyncio.run(main())
