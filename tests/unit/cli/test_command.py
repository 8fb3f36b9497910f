"""The entry point, before any command is known."""

import sys
from typing import NoReturn

import pytest

from carteiro.cli import command, main


def ended_by(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> object:
    def fail() -> NoReturn:
        raise error

    monkeypatch.setattr(main, "run", fail)
    monkeypatch.setattr(sys, "argv", ["carteiro", "status"])
    with pytest.raises(SystemExit) as caught:
        command.main()
    return caught.value.code


def test_ctrl_c_has_the_exit_code_of_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended_by(monkeypatch, KeyboardInterrupt()) == 130


def test_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    said = ended_by(monkeypatch, ModuleNotFoundError("No module named 'torch'", name="torch"))
    assert said == "carteiro: this command needs torch: pip install 'carteiro[cli,embedded,local]'"


def test_missing_module_of_ours_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> NoReturn:
        raise ModuleNotFoundError("No module named 'carteiro.gone'", name="carteiro.gone")

    monkeypatch.setattr(main, "run", fail)
    monkeypatch.setattr(sys, "argv", ["carteiro", "status"])
    with pytest.raises(ModuleNotFoundError):
        command.main()
