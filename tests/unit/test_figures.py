"""`docs/understand/figures.md` is the benchmarks' output, and no other document shows their tables."""

import itertools
import sys
from pathlib import Path

import pytest

import benchmarks.__main__ as every
from benchmarks import BENCHMARKS
from benchmarks.figures import PAGE, page, result_files

ROOT = Path(__file__).parents[2]
OTHERS = [file for file in (ROOT / "README.md", *PAGE.parents[1].glob("**/*.md")) if file != PAGE]


def headings(text):
    """Return the headings of tables with numbers, whose columns are aligned to the right."""
    lines = text.splitlines()
    return {above for above, rule in itertools.pairwise(lines) if rule.startswith("|") and "---:" in rule}


def test_page_is_made_from_the_results():
    assert PAGE.read_text() == page(), "make it again: python -m benchmarks.figures"


def test_every_benchmark_is_on_the_page():
    assert {file.parents[1].name for file in result_files()} == set(BENCHMARKS)


@pytest.mark.parametrize("file", result_files(), ids=lambda file: file.stem)
def test_result_names_its_machine(file):
    text = file.read_text()
    assert f"By `python -m benchmarks.{file.parents[1].name}" in text
    assert all(f" {name} " in text for name in ("Python", "aiokafka", "faststream", "torch"))
    assert " cores, " in text
    assert headings(text)
    assert str(ROOT) not in text


@pytest.mark.parametrize("file", result_files(), ids=lambda file: file.stem)
def test_picture_exists_and_is_small(file):
    assert 1_000 < file.with_suffix(".png").stat().st_size < 150_000


@pytest.mark.parametrize("file", OTHERS, ids=lambda file: file.name)
def test_no_other_document_shows_a_benchmarks_table(file):
    assert not headings(file.read_text())


def test_quick_result_is_marked_and_names_its_command(monkeypatch, tmp_path):
    pytest.importorskip("matplotlib", reason="comes with the group bench")
    from matplotlib.figure import Figure

    from benchmarks.results import Table, argument_parser, parse_arguments, save

    monkeypatch.setattr(sys, "argv", ["-m", "--quick", "--output", str(tmp_path), "--callers", "7"])
    made = argument_parser("benchmarks.nowhere", None)
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--callers", type=int, default=64)
    options = parse_arguments(made, rounds=1, callers=2)
    assert (options.rounds, options.callers) == (1, 7)
    save(options, "found", "Found", "What it is.", [Table(["model", "tokens/s"], [["a", "1"]])], Figure())
    text = (tmp_path / "found.md").read_text()
    assert "**A quick run" in text
    assert f"By `python -m benchmarks.nowhere --quick --output {tmp_path} --callers 7` on 20" in text
    assert "| model | tokens/s |\n| --- | ---: |\n| a | 1 |" in text
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")


def test_failing_benchmark_is_named_and_the_others_go_on(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(every, "BENCHMARKS", {"nowhere": [[]], "quota.bucket": [[]]})
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--quick"])
    assert every.main() == 1
    failed, done = capsys.readouterr().out.strip().splitlines()[-2:]
    assert failed.split() == "failed with 1 python -m benchmarks.nowhere --quick".split()
    assert done.startswith("done")
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--quick", "--only", "quota.bucket"])
    assert every.main() == 0
