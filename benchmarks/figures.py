"""`python -m benchmarks.figures`: write docs/understand/figures.md from the existing results."""

from pathlib import Path

from benchmarks import BENCHMARKS

_HERE = Path(__file__).parent
PAGE = _HERE.parent / "docs" / "understand" / "figures.md"
_HEAD = """\
# Figures

`make bench` measures all this again and writes this page; it takes some 90 minutes on two cores, and needs Docker.
The peer on the JVM also needs a JDK of 17 or later. Contenders of a table ran one after the other in one run, on the
same machine and the same Kafka. For only one part: `make bench ARGS='--only quota'`.
"""


def result_files() -> list[Path]:
    """Return the result files in the page's order. Each has its picture next to it, with the same name."""
    return [file for name in BENCHMARKS for file in sorted((_HERE / name / "results").glob("*.md"))]


def page() -> str:
    """Return the page's text: for each result its heading, its picture, and a link to its tables."""
    return "\n".join([_HEAD, *map(_section, result_files())])


def _section(file: Path) -> str:
    heading = file.read_text().splitlines()[0]
    folder = f"../../{file.parent.relative_to(_HERE.parent).as_posix()}"
    picture = f"![{heading.strip('# ')}]({folder}/{file.stem}.png)"
    return f"{heading}\n\n{picture}\n\n[Tables]({folder}/{file.name}).\n"


if __name__ == "__main__":
    PAGE.write_text(page())
