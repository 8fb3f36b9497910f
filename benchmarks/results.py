"""How every benchmark is told where its results go, and writes them: tables as Markdown, and a picture."""

import argparse
import io
import os
import shlex
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image
from rich import box
from rich.console import Console
from rich.table import Table as Shown

from benchmarks.machine import machine, versions

_LOAD_BEFORE = os.getloadavg()[0]
_COLOURS = 64
_DOTS_PER_INCH = 80


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells. The first column is words, and those whose headings are in `words`; the others are numbers."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    caption: str = ""
    words: Collection[str] = ()

    def markdown(self) -> str:
        rules = ["---" if self._is_words(index) else "---:" for index in range(len(self.headings))]
        above = [f"### {self.title}\n"] * bool(self.title) + [f"{self.caption}\n"] * bool(self.caption)
        return "\n".join(above + ["| " + " | ".join(row) + " |" for row in (self.headings, rules, *self.rows)])

    def shown(self) -> Shown:
        """As the terminal shows it."""
        table = Shown(title=self.title or None, title_justify="left", box=box.SIMPLE_HEAD)
        for index, heading in enumerate(self.headings):
            table.add_column(heading, justify="left" if self._is_words(index) else "right")
        for row in self.rows:
            table.add_row(*row)
        return table

    def _is_words(self, index: int) -> bool:
        return index == 0 or self.headings[index] in self.words


def parser(package: str, what: str | None, *, kafka: bool = False) -> argparse.ArgumentParser:
    """The options that all benchmarks have, for `python -m package`."""
    made = argparse.ArgumentParser(prog=f"python -m {package}", description=what)
    made.add_argument("--quick", action="store_true", help="as little as shows that everything runs")
    made.add_argument(
        "--output", type=Path, metavar="DIR", help="by default results/ of its folder here; with --quick results/quick/"
    )
    if kafka:
        made.add_argument("--bootstrap", metavar="HOST:PORT", help="a Kafka that is there; by default one is started")
    return made


def parse(made: argparse.ArgumentParser, **quick: object) -> argparse.Namespace:
    """The arguments of this process, with `output` a folder that is there and `command` what was typed.

    `quick` are the defaults with `--quick`.
    """
    options = made.parse_args()
    if options.quick:
        made.set_defaults(**quick)
        options = made.parse_args()
    room = Path(__file__).parent / made.prog.rpartition(".")[2] / "results"
    options.output = options.output or (room / "quick" if options.quick else room)
    options.output.mkdir(parents=True, exist_ok=True)
    options.command = shlex.join([*made.prog.split(), *sys.argv[1:]])
    return options


def save(
    options: argparse.Namespace, name: str, title: str, about: str, tables: Sequence[Table], picture: Figure
) -> None:
    """Show the tables, and write `name.md` and `name.png`. `about` says what was measured and what the columns mean."""
    console = Console(width=140)
    for table in tables:
        console.print(table.shown())
    (options.output / f"{name}.png").write_bytes(_small(picture))
    parts = [f"## {title}", about, _ran(options), *(table.markdown() for table in tables), f"![{title}]({name}.png)"]
    (options.output / f"{name}.md").write_text("\n\n".join(parts) + "\n")


def _ran(options: argparse.Namespace) -> str:
    """How to have the same again, and on what it was."""
    said = ["**A quick run, which shows that everything runs and no more.**"] * options.quick
    said.append(
        f"By `{options.command}` on {datetime.now(UTC):%Y-%m-%d at %H:%M} UTC; load average before: {_LOAD_BEFORE:.1f}."
    )
    said.append(f"{machine()}. {versions()}{_kafka(options)}.")
    return "\n".join(said)


def _kafka(options: argparse.Namespace) -> str:
    if not hasattr(options, "bootstrap"):
        return ""
    if options.bootstrap:
        return ", a Kafka that was there"
    from tests.containers.conftest import IMAGE

    return f", {IMAGE.replace(':', ' ')}"


def _small(picture: Figure) -> bytes:
    """As a PNG of few colours, which are enough for lines and bars, at a fraction of the size."""
    drawn, reduced = io.BytesIO(), io.BytesIO()
    picture.savefig(drawn, dpi=_DOTS_PER_INCH)
    with Image.open(drawn) as image:
        image.convert("RGB").quantize(_COLOURS).save(reduced, "PNG", optimize=True)
    return reduced.getvalue()
