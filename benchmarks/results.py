"""Options and output of every benchmark: tables as Markdown, and a picture."""

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
_LONG_PAGE_TABLES = 6
"""Titled tables from which a page has links to them."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells. The first column and those in `text_columns` are text, the others are numbers."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    caption: str = ""
    text_columns: Collection[str] = ()

    def markdown(self) -> str:
        rules = ["---" if self._is_text(index) else "---:" for index in range(len(self.headings))]
        above = [f"### {self.title}\n"] * bool(self.title) + [f"{self.caption}\n"] * bool(self.caption)
        return "\n".join(above + ["| " + " | ".join(row) + " |" for row in (self.headings, rules, *self.rows)])

    def as_rich(self) -> Shown:
        """Return the table for the terminal."""
        table = Shown(title=self.title or None, title_justify="left", box=box.SIMPLE_HEAD)
        for index, heading in enumerate(self.headings):
            table.add_column(heading, justify="left" if self._is_text(index) else "right")
        for row in self.rows:
            table.add_row(*row)
        return table

    def _is_text(self, index: int) -> bool:
        return index == 0 or self.headings[index] in self.text_columns


def argument_parser(package: str, description: str | None, *, kafka: bool = False) -> argparse.ArgumentParser:
    """Return a parser with the options of all benchmarks, for `python -m package`."""
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=description)
    parser.add_argument("--quick", action="store_true", help="as little as shows that everything runs")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="by default results/ of its folder here; with --quick results/quick/"
    )
    if kafka:
        parser.add_argument("--bootstrap", metavar="HOST:PORT", help="a Kafka that is there; by default one is started")
    return parser


def parse_arguments(parser: argparse.ArgumentParser, **quick: object) -> argparse.Namespace:
    """Parse the arguments of this process. `output` is an existing folder, and `command` is the command line.

    `quick` are the defaults with `--quick`.
    """
    options = parser.parse_args()
    if options.quick:
        parser.set_defaults(**quick)
        options = parser.parse_args()
    folder = Path(__file__).parent / parser.prog.rpartition(".")[2] / "results"
    options.output = options.output or (folder / "quick" if options.quick else folder)
    options.output.mkdir(parents=True, exist_ok=True)
    options.command = shlex.join([*parser.prog.split(), *sys.argv[1:]])
    return options


def save(
    options: argparse.Namespace, name: str, title: str, about: str, tables: Sequence[Table], picture: Figure
) -> None:
    """Show the tables, and write `name.md` and `name.png`. `about` describes the measurement and the columns."""
    console = Console(width=140)
    for table in tables:
        console.print(table.as_rich())
    (options.output / f"{name}.png").write_bytes(_compressed_png(picture))
    parts = [
        f"## {title}",
        about,
        _provenance(options),
        *_contents(tables),
        *(table.markdown() for table in tables),
        f"![{title}]({name}.png)",
    ]
    (options.output / f"{name}.md").write_text("\n\n".join(parts) + "\n")


def _contents(tables: Sequence[Table]) -> list[str]:
    """Return links to the tables of a long page."""
    titles = [table.title for table in tables if table.title]
    links = (f"[{title}](#{title.lower().replace(' ', '-')})" for title in titles)
    return [" · ".join(links)] if len(titles) >= _LONG_PAGE_TABLES else []


def _provenance(options: argparse.Namespace) -> str:
    """Return the command and the machine of the measurement."""
    lines = ["**A quick run, which shows that everything runs and no more.**"] * options.quick
    lines.append(
        f"By `{options.command}` on {datetime.now(UTC):%Y-%m-%d at %H:%M} UTC; load average before: {_LOAD_BEFORE:.1f}."
    )
    lines.append(f"{machine()}. {versions()}{_kafka(options)}.")
    return "\n".join(lines)


def _kafka(options: argparse.Namespace) -> str:
    if not hasattr(options, "bootstrap"):
        return ""
    if options.bootstrap:
        return ", a Kafka that was there"
    from tests.containers.conftest import IMAGE

    return f", {IMAGE.replace(':', ' ')}"


def _compressed_png(picture: Figure) -> bytes:
    """Return a PNG with few colours, which are enough for lines and bars, at a fraction of the size."""
    drawn, reduced = io.BytesIO(), io.BytesIO()
    picture.savefig(drawn, dpi=_DOTS_PER_INCH)
    with Image.open(drawn) as image:
        image.convert("RGB").quantize(_COLOURS).save(reduced, "PNG", optimize=True)
    return reduced.getvalue()
