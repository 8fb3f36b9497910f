"""`python -m benchmarks.local`: one model, the same prompts, four ways to serve it, one after the other."""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from benchmarks.broker import broker
from benchmarks.local.carteiro_contender import run_carteiro
from benchmarks.local.classifier import make_classifier
from benchmarks.local.report import TITLES, about, plot, table
from benchmarks.local.transformers_generate import (
    classify_one_at_a_time,
    classify_static_batches,
    one_at_a_time,
    static_batches,
)
from benchmarks.local.transformers_serve import run_serve
from benchmarks.local.workload import ContenderResult, completions, texts
from benchmarks.results import argument_parser, parse_arguments, save
from carteiro.models.local.checkpoints.checkpoint import find_checkpoint
from carteiro.models.local.transformers.placement import choose_placement, set_threads
from carteiro.models.local.transformers.weights import convert_gguf


def smollm2() -> Path:
    """Return the directory of the packaged model."""
    gguf = find_checkpoint("smollm2").gguf_path
    assert gguf is not None
    return convert_gguf(gguf)


async def generation(options: argparse.Namespace, bootstrap: str) -> Sequence[ContenderResult]:
    """Measure the contenders one after the other, each with the whole machine."""
    machine, work = choose_placement(options.device, options.dtype), completions(options.completions)
    model = Path(options.model) if options.model else smollm2()
    return [
        one_at_a_time(model, work, machine),
        static_batches(model, work, machine),
        await run_serve(model, work, machine, options.output / "serve.log"),
        await run_carteiro("generate", model, work, machine, bootstrap, options.output / "generate.log"),
    ]


async def classification(options: argparse.Namespace, bootstrap: str) -> Sequence[ContenderResult]:
    """Measure the contenders with a classifier."""
    machine, work = choose_placement(options.device, options.dtype), texts(options.texts)
    with tempfile.TemporaryDirectory() as directory:
        model = make_classifier(Path(directory))
        return [
            classify_one_at_a_time(model, work, machine),
            classify_static_batches(model, work, machine),
            await run_carteiro("sentiment", model, work, machine, bootstrap, options.output / "sentiment.log"),
        ]


async def main() -> None:
    parser = argument_parser("benchmarks.local", __doc__, kafka=True)
    parser.add_argument("--completions", type=int, default=24, help="how many (default: 24)")
    parser.add_argument("--texts", type=int, default=128, help="how many are classified (default: 128)")
    parser.add_argument("--model", help="a directory with a causal model (default: the packaged SmolLM2)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--only", choices=list(TITLES))
    options = parse_arguments(parser, completions=4, texts=16)
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
