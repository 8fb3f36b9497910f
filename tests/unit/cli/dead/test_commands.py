"""Invalid calls of `carteiro dead`: one line of error, and an exit code for the kind of error."""

import pytest
from typer.testing import CliRunner

from carteiro.cli.main import app


@pytest.fixture(autouse=True)
def _no_kafka(monkeypatch):
    monkeypatch.setenv("CARTEIRO_BOOTSTRAP_SERVERS", "127.0.0.1:9")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["list", "sing"], "there is no task 'sing'"),
        (["list", "--since", "soon"], "--since: 'soon'"),
        (["redrive", "--code", "down"], "--code: there is no error code 'down'"),
        (["show", "17"], "there is no task '17'"),
        (["show", "chat"], "show takes one id"),
        (["show", "0/1", "0/2"], "show takes one id"),
        (["redrive", "chat", "17"], "'17' is not a dead letter's id"),
        (["redrive", "llm.chat.requests/0/1"], "is not in a topic that is looked at"),
    ],
)
def test_wrong_call_ends_in_one_line(arguments, says):
    result = CliRunner().invoke(app, ["dead", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


def test_wrong_settings_end_in_one_line(monkeypatch):
    monkeypatch.setenv("CARTEIRO_BOOTSTRAP_SERVERS", "nonsense")
    result = CliRunner().invoke(app, ["dead", "list"])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "CARTEIRO_BOOTSTRAP_SERVERS: " in result.stderr


@pytest.mark.parametrize("arguments", [["list"], ["show", "0/1"], ["redrive", "--yes"]])
def test_missing_kafka_ends_in_one_line(arguments):
    result = CliRunner().invoke(app, ["dead", *arguments])
    assert (result.exit_code, result.stdout) == (3, "")
    assert "no Kafka broker answers at 127.0.0.1:9; is it running (`carteiro up`)?" in result.stderr
    assert result.stderr.count("\n") == 1
