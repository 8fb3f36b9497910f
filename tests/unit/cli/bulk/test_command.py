"""Invalid calls of `carteiro ask --jsonl`: one line of error, and an exit code for the kind of error."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from carteiro.cli.main import app


@pytest.fixture(autouse=True)
def _no_kafka(monkeypatch):
    monkeypatch.setenv("CARTEIRO_BOOTSTRAP_SERVERS", "127.0.0.1:9")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").write_text('"One."\n')
    return tmp_path


def ask(folder: Path, *options: str) -> Result:
    files = ["--jsonl", str(folder / "in"), "--out", str(folder / "out")]
    result = CliRunner().invoke(app, ["ask", "summarize", *files, *options])
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)
    return result


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--wait", "soon"], "--wait: must be a number and s, m, h or d"),
        (["--question", "Who?"], "question: "),
        (["--style", "verse"], "style: "),
        (["A text."], "--jsonl and --out go together"),
        (["--jsonl", "/no/such/file"], "/no/such/file: No such file"),
        (["--jsonl", "{folder}"], "{folder}: is not a file"),
        (["--out", "/no/such/folder/out"], "/no/such/folder/out.job: No such file"),
        (["--out", "{folder}/in"], "another file than the requests"),
        (["--out", "{folder}"], "{folder}: is not a file"),
    ],
)
def test_wrong_call_ends_in_one_line(folder, options, says):
    result = ask(folder, *(each.format(folder=folder) for each in options))
    assert result.exit_code == 2
    assert says.format(folder=folder) in result.stderr
    assert [each.name for each in folder.iterdir()] == ["in"], "nothing is begun"


@pytest.mark.parametrize("options", [["--out", "x"], ["--jsonl", "x"]])
def test_jsonl_and_out_require_each_other(options):
    result = CliRunner().invoke(app, ["ask", "summarize", *options])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--jsonl and --out go together" in result.stderr


def test_missing_kafka_ends_in_one_line(folder):
    result = ask(folder)
    assert result.exit_code == 3
    assert "no Kafka broker answers at 127.0.0.1:9; is it running (`carteiro up`)?" in result.stderr
