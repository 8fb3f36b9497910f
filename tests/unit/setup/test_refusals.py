"""What is missing or in the way is said in one line, with what to do."""

import sys
from pathlib import Path

import pytest

from tests.unit.setup.checkout import Checkout, last_line
from tests.unit.setup.pip_says import IGNORED, NOT_FOUND, REFUSED


@pytest.mark.parametrize("version", ["2.7.18", "3.10.13"])
def test_python_too_old(checkout: Checkout, version: str) -> None:
    checkout.add("python3", f"echo {version}")
    code, output = checkout.setup()
    assert code == 1
    (line,) = output.splitlines()
    assert f"python3 is {version}" in line
    assert "3.11 or newer" in line
    assert not checkout.env.exists()


def test_no_python(checkout: Checkout) -> None:
    (checkout.bin / "python3").unlink()
    code, output = checkout.setup()
    assert code == 1
    (line,) = output.splitlines()
    assert "there is none" in line


def test_a_new_enough_python_is_found_behind_those_that_are_not(checkout: Checkout) -> None:
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


def test_debian_without_python3_venv(checkout: Checkout) -> None:
    checkout.add("python3", f'case "$2" in *ensurepip*) exit 1 ;; esac; exec {checkout.python} "$@"')
    code, output = checkout.setup()
    assert code == 1
    (line,) = output.splitlines()
    assert f"python{sys.version_info.major}.{sys.version_info.minor}-venv" in line


def test_too_little_space_is_said_before_anything_is_made(checkout: Checkout) -> None:
    checkout.add("df", "echo Filesystem; echo /dev/sda1 9000000 8900000 100000 99% /")
    code, output = checkout.setup()
    assert code == 1
    (line,) = output.splitlines()
    assert "MB of disk space are needed" in line
    assert "97 MB are free" in line
    assert not checkout.env.exists()


@pytest.mark.parametrize(
    ("printed", "advice"),
    [
        (f"{REFUSED}\n{NOT_FOUND}", "check the network"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "the disk is full"),
        (f"{IGNORED}\n{NOT_FOUND}", "another one"),
        ("ERROR: something else", "make clean"),
    ],
)
def test_a_failing_pip_is_explained_in_one_line(checkout: Checkout, printed: str, advice: str) -> None:
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


def test_an_environment_of_somebody_else_stays(checkout: Checkout) -> None:
    checkout.env.mkdir()
    (checkout.env / "pyvenv.cfg").write_text("theirs")
    code, output = checkout.setup()
    assert code == 1
    assert "stays as it is" in last_line(output)
    assert [path.name for path in checkout.env.iterdir()] == ["pyvenv.cfg"]
