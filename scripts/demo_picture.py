"""Run `carteiro demo` and draw its output as docs/pictures/demo.svg: `make pictures`."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 100
EXAMPLES = {"answer-collection", "generate-json", "sentiment-pt", "translate-pt"}
"""Examples whose replies are in the picture. The table at the end lists all examples."""
PICTURE = Path("docs/pictures/demo.svg")


def run_demo() -> str:
    """Return the output of the demo on a terminal with colours and without animations."""
    terminal = {"COLUMNS": str(COLUMNS), "FORCE_COLOR": "1", "TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "0"}
    carteiro = Path(sys.executable).with_name("carteiro")
    done = subprocess.run([carteiro, "demo"], env=os.environ | terminal, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    return re.sub(r"\x1b\[\?25[lh]", "", done.stdout)


def keep_examples(output: str) -> str:
    """Return the output without the replies that are not shown."""
    left_out = 0

    def keep(panel: re.Match[str]) -> str:
        nonlocal left_out
        left_out += panel[1] not in EXAMPLES
        return panel[0] if panel[1] in EXAMPLES else ""

    head, table, tail = re.sub(r"╭─ (\S+) .*?╯\n", keep, output, flags=re.DOTALL).partition("┏")
    return f"$ make demo\n{head}  ... and {left_out} more replies\n{table}{tail}"


def main() -> None:
    """Draw the picture, without the fonts that rich would have a reader's browser fetch."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi(keep_examples(run_demo())))
    drawn = console.export_svg(title="make demo", unique_id="demo", font_aspect_ratio=0.602)
    # Some programs that draw an SVG drop the spaces at the beginning of a text without this attribute.
    drawn = drawn.replace("<svg ", '<svg xml:space="preserve" ', 1)
    PICTURE.write_text(re.sub(r" *@font-face \{.*?\}\n", "", drawn, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
