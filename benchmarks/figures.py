"""`python -m benchmarks.figures`: make docs/figures.md of the results that are there."""

from pathlib import Path

from benchmarks import ROOMS

_HERE = Path(__file__).parent
PAGE = _HERE.parent / "docs" / "figures.md"
_HEAD = """\
# Figures

`make bench` measures all this anew and writes this page; it takes some 25 minutes on two cores, and needs Docker.
Contenders of a table ran one after the other in one run, on the same machine and the same Kafka. One part alone:
`make bench ARGS='--only quota'`.
"""


def results() -> list[Path]:
    """The tables, in the page's order; each has its picture beside it, of the same name."""
    return [file for room in ROOMS for file in sorted((_HERE / room / "results").glob("*.md"))]


def page() -> str:
    """The page's text."""
    return "\n".join([_HEAD, *map(_section, results())])


def _section(file: Path) -> str:
    picture = file.with_suffix(".png")
    return file.read_text().replace(f"]({picture.name})", f"](../{picture.relative_to(_HERE.parent).as_posix()})")


if __name__ == "__main__":
    PAGE.write_text(page())
