"""`python -m benchmarks.local`: one model, the same prompts, four ways to serve it, one after the other."""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from rich.console import Console

from benchmarks.__main__ import kafka, reach
from benchmarks.local.by_carteiro import carteiro
from benchmarks.local.by_serve import serve
from benchmarks.local.by_transformers import (
    classify_one_at_a_time,
    classify_static_batches,
    one_at_a_time,
    static_batches,
)
from benchmarks.local.classifier import make_classifier
from benchmarks.local.report import plot, show
from benchmarks.local.work import Outcome, completions, texts
from carteiro.models.in_process.checkpoint import find_checkpoint
from carteiro.models.local.machine import choose_machine, set_threads
from carteiro.models.local.weights import converted

FOLDER = Path(__file__).parent / "results"


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
        await serve(model, work, machine, FOLDER / "serve.log"),
        await carteiro("generate", model, work, machine, bootstrap, FOLDER / "generate.log"),
    ]


async def classification(options: argparse.Namespace, bootstrap: str) -> Sequence[Outcome]:
    """The same for a classifier."""
    machine, work = choose_machine(options.device, options.dtype), texts(options.texts)
    with tempfile.TemporaryDirectory() as directory:
        model = make_classifier(Path(directory))
        return [
            classify_one_at_a_time(model, work, machine),
            classify_static_batches(model, work, machine),
            await carteiro("sentiment", model, work, machine, bootstrap, FOLDER / "sentiment.log"),
        ]


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.local", description=__doc__)
    parser.add_argument("--completions", type=int, default=32, help="how many (default: 32)")
    parser.add_argument("--texts", type=int, default=256, help="how many are classified (default: 256)")
    parser.add_argument("--model", help="a directory with a causal model (default: the packaged SmolLM2)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--only", choices=["generation", "classification"])
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="a Kafka that is there; by default one is started")
    options = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    set_threads(None)
    console = Console(width=120)
    with kafka(options.bootstrap) as bootstrap:
        await reach(bootstrap)
        for part in (generation, classification):
            if options.only in (None, part.__name__):
                outcomes = await part(options, bootstrap)
                show(console, part.__name__, outcomes, FOLDER / f"{part.__name__}.md")
                plot(part.__name__, outcomes, FOLDER / f"{part.__name__}.png")


if __name__ == "__main__":
    asyncio.run(main())
