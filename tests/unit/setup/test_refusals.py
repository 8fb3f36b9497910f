"""Missing programs and obstacles are reported in one line with the remedy."""

import sys
from pathlib import Path

import pytest

from tests.unit.setup.checkout import CALM_PIP, Checkout, last_line
from tests.unit.setup.pip_says import IGNORED, NOT_FOUND, REFUSED


@pytest.mark.parametrize("version", ["2.7.18", "3.10.13"])
def test_too_old_python_is_reported(checkout: Checkout, version: str) -> None:
    checkout.add("python3", f"echo {version}")
    code, output = checkout.setup()
    assert code == 1
    (line,) = output.splitlines()
    assert f"python3 is {version}" in line
    assert "3.11 or newer" in line
    assert not checkout.env.exists()


def test_missing_python_is_reported(checkout: Checkout) -> None:
    (checkout.bin / "python3").unlink()
    code, output = checkout.setup()
    assert code == 1
    (line,) = output.splitlines()
    assert "there is none" in line


def test_new_enough_python_is_found_behind_older_ones(checkout: Checkout) -> None:
    checkout.add("python3.13", "echo 'python3.13: command not found' >&2; exit 127")
    checkout.add("python3.12", "echo 3.9.2")
    assert checkout.setup()[0] == 0


def test_python_chosen_by_hand(checkout: Checkout, tmp_path: Path) -> None:
    chosen = checkout.add_python("my python")
    checkout.add("python3", "echo 3.9.2")
    assert checkout.setup(PYTHON=str(chosen))[0] == 0
    code, output = checkout.setup(PYTHON=str(tmp_path / "nothing"))
    assert code == 1
    assert "does not run" in last_line(output)


def test_missing_python3_venv_on_debian_is_reported(checkout: Checkout) -> None:
    checkout.add("python3", f'case "$2" in *ensurepip*) exit 1 ;; esac; exec {checkout.python} "$@"')
    code, output = checkout.setup()
    assert code == 1
    (line,) = output.splitlines()
    assert f"python{sys.version_info.major}.{sys.version_info.minor}-venv" in line


@pytest.mark.parametrize(
    ("printed", "advice"),
    [
        (f"{REFUSED}\n{NOT_FOUND}", "check the network"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "the disk is full"),
        (f"{IGNORED}\n{NOT_FOUND}", "another one"),
        ("ERROR: something else", "make clean"),
    ],
)
def test_failing_pip_is_explained_in_one_line(checkout: Checkout, printed: str, advice: str) -> None:
    checkout.pip_does(f"if '-e ./shared' in args: print({printed!r}); sys.exit(1)")
    code, output = checkout.run("make", ".venv/ready")
    assert code != 0
    assert "Traceback" not in output
    *_, error, line, make = output.splitlines()
    assert "ERROR:" in error
    assert IGNORED not in output
    assert advice in line
    assert make.startswith("make: ***")
    assert checkout.run("make", "-q", ".venv/ready")[0] == 1


def test_setup_goes_on_after_a_failing_pip(checkout: Checkout) -> None:
    checkout.pip_does("if '-e ./shared' in args: print('ERROR: something else'); sys.exit(1)")
    assert checkout.setup()[0] == 1
    (checkout.env / "trace").touch()
    checkout.pip_does(CALM_PIP)
    assert checkout.setup()[0] == 0
    assert (checkout.env / "trace").exists()


def test_foreign_environment_is_not_changed(checkout: Checkout) -> None:
    checkout.env.mkdir()
    (checkout.env / "pyvenv.cfg").write_text("theirs")
    code, output = checkout.setup()
    assert code == 1
    assert "stays as it is" in last_line(output)
    assert [path.name for path in checkout.env.iterdir()] == ["pyvenv.cfg"]
