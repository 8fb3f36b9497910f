"""The end of the command by an exception."""

from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from carteiro.cli import main
from carteiro.cli.embedded import EmbeddedBrokerFailed
from carteiro.tasks.discovery import ServicesMissing


@pytest.mark.parametrize("error", [EmbeddedBrokerFailed("port 9 is taken"), ServicesMissing("port 9 is taken")])
def test_error_for_the_user_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(main, "app", fail)
    with pytest.raises(SystemExit) as caught:
        main.run()
    assert caught.value.code == 1
    assert capsys.readouterr().err == "carteiro: port 9 is taken\n"


def test_error_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(main, "app", fail)
    with pytest.raises(ZeroDivisionError):
        main.run()


def test_version_is_printed() -> None:
    assert CliRunner().invoke(main.app, ["--version"]).stdout == f"{version('carteiro')}\n"
