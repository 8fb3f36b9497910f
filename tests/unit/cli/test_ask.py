"""`carteiro ask`: its help, and what it refuses before anything is sent."""

import pytest
from typer.testing import CliRunner

from carteiro.cli.main import app


@pytest.mark.parametrize(
    ("task", "has", "lacks"), [("summarize", "--length", "--from"), ("translate", "--from", "--label")]
)
def test_help_of_a_task_leaves_out_the_options_of_others(task: str, has: str, lacks: str) -> None:
    for arguments in ([task, "--help"], ["--help", task]):
        output = CliRunner().invoke(app, ["ask", *arguments]).stdout
        assert has in output
        assert lacks not in output
    output = CliRunner().invoke(app, ["ask", "--help"]).stdout
    assert has in output
    assert lacks in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["summary", "x"], "there is no task 'summary'; did you mean 'summarize'? There are answer, chat, "),
        (["summarize", "x", "--reasoning"], "--reasoning: is not an option of summarize, but of chat and generate"),
        (["summarize", "x", "--reasoning-effort", "much"], "--reasoning-effort: must be "),
        (["summarize", "x", "--service-tier", "cheap"], "--service-tier: must be "),
        (["chat", "x", "--top-p", "2"], "--top-p: must be at most 1"),
        (["summarize", "x", "--to", "pt"], "--to: is not an option of summarize, but of translate"),
        (["summarize", "x", "--attach", "a.png"], "--attach: is not an option of summarize, but of answer, chat and"),
        (["chat", "x", "--attach", "none.png"], "--attach: none.png: No such file or directory"),
        (["translate", "x"], "--to: is missing"),
        (["answer", " ", "-q", "Who?"], "the text: must not be blank"),
        (["generate", "x", "--schema", "none.json"], "none.json: No such file or directory"),
        (["summarize", "x", "--jsonl", "in.jsonl"], "--jsonl and --out go together"),
    ],
)
def test_wrong_call_is_refused_in_one_line(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["ask", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"carteiro: {message}")
    assert result.stderr.count("\n") == 1
