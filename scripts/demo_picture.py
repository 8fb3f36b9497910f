"""Runs `carteiro demo` and draws what it prints as docs/pictures/demo.svg: `make pictures`."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 100
SHOWN = {"answer", "generate-json", "sentiment-pt", "translate-pt"}
"""The examples whose replies are in the picture; the table at the end has all of them."""
PICTURE = Path("docs/pictures/demo.svg")


def demo() -> str:
    """What the demo prints on a terminal that shows colours and moves nothing."""
    terminal = {"COLUMNS": str(COLUMNS), "FORCE_COLOR": "1", "TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "0"}
    carteiro = Path(sys.executable).with_name("carteiro")
    done = subprocess.run([carteiro, "demo"], env=os.environ | terminal, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    return re.sub(r"\x1b\[\?25[lh]", "", done.stdout)


def shortened(printed: str) -> str:
    """The same without the replies that are not shown."""
    left_out = 0

    def keep(panel: re.Match[str]) -> str:
        nonlocal left_out
        left_out += panel[1] not in SHOWN
        return panel[0] if panel[1] in SHOWN else ""

    head, table, tail = re.sub(r"╭─ (\S+) .*?╯\n", keep, printed, flags=re.DOTALL).partition("┏")
    return f"$ make demo\n{head}  ... and {left_out} more replies\n{table}{tail}"


def main() -> None:
    """Draw it. The fonts that rich would have a reader's browser fetch are left out."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi(shortened(demo())))
    drawn = console.export_svg(title="make demo", unique_id="demo", font_aspect_ratio=0.602)
    # Some programs that draw an SVG drop the spaces that a text begins with, unless told.
    drawn = drawn.replace("<svg ", '<svg xml:space="preserve" ', 1)
    PICTURE.write_text(re.sub(r" *@font-face \{.*?\}\n", "", drawn, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
