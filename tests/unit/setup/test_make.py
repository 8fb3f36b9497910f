"""The Makefile, and the environment that it makes."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.unit.setup.checkout import Checkout, wait_until


def test_make_lists_its_targets(checkout: Checkout) -> None:
    code, output = checkout.run("make")
    assert code == 0
    targets = [line.split()[1] for line in output.splitlines()]
    every = "help setup demo up test chaos fuzz bench soak lint generate pictures images k8s release lock clean"
    assert " ".join(targets) == every
    assert not checkout.env.exists()


def test_environment_is_made_once_and_again_when_a_requirement_changes(checkout: Checkout) -> None:
    assert checkout.run("make", "setup")[0] == 0
    assert checkout.run("make", "-q", "setup")[0] == 0
    assert checkout.run("make", "-q", ".venv/ready")[0] == 0
    later = time.time() + 5
    os.utime(checkout.root / "shared/pyproject.toml", (later, later))
    assert checkout.run("make", "-q", "setup")[0] == 1
    assert checkout.run("make", "-q", ".venv/ready")[0] == 1


def test_demo_does_not_wait_for_test_tools(checkout: Checkout) -> None:
    _, output = checkout.run("make", "-n", "demo")
    assert output.splitlines() == ["sh scripts/setup", "exec .venv/bin/carteiro demo "]
    _, output = checkout.run("make", "-n", "test", "ARGS=-x")
    assert output.splitlines() == ["sh scripts/setup --dev", "exec .venv/bin/python -m pytest -x"]


@pytest.mark.parametrize("harm", ["python removed", "moved"])
def test_broken_environment_is_made_again(checkout: Checkout, harm: str) -> None:
    checkout.run("make", ".venv/ready")
    trace = checkout.env / "trace"
    trace.touch()
    if harm == "moved":
        checkout.root = checkout.root.rename(checkout.root.with_name("elsewhere"))
        trace = checkout.env / "trace"
    else:
        (checkout.env / "bin/python").unlink()
        (checkout.env / "bin/python").symlink_to("/nowhere/python3")
    code, output = checkout.run("make", ".venv/ready")
    assert code == 0, output
    assert not trace.exists()
    assert checkout.run("make", "-q", ".venv/ready")[0] == 0


def test_clean_removes_only_its_own_environment(checkout: Checkout) -> None:
    for folder in ("services", "tests", "benchmarks", "examples"):
        (checkout.root / folder).mkdir()
    (checkout.bin / "find").symlink_to(shutil.which("find") or "")
    checkout.setup()
    assert checkout.run("make", "clean")[0] == 0
    assert not checkout.env.exists()
    checkout.env.mkdir()
    (checkout.env / "mine").touch()
    assert checkout.run("make", "clean")[0] == 0
    assert (checkout.env / "mine").exists()


@pytest.mark.parametrize(("target", "name"), [("demo", "SIGINT"), ("demo", "SIGTERM"), ("up", "SIGINT")])
def test_signal_reaches_the_program(
    checkout: Checkout, processes: list[subprocess.Popen[str]], target: str, name: str
) -> None:
    checkout.setup()
    program = checkout.env / "bin/carteiro"
    program.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, signal, sys, time\n"
        "def stop(number, frame):\n"
        "    time.sleep(0.1)\n"
        "    print('stopped cleanly by', signal.Signals(number).name)\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGINT, stop); signal.signal(signal.SIGTERM, stop)\n"
        "pathlib.Path('running').touch()\n"
        "time.sleep(30)\n"
    )
    program.chmod(0o755)
    make = checkout.start("make", target)
    processes.append(make)
    wait_until((checkout.root / "running").exists)
    if name == "SIGINT":  # A terminal sends the signal to the whole group; `kill` and supervisors send it only to make.
        os.killpg(make.pid, signal.SIGINT)
    else:
        make.terminate()
    output, _ = make.communicate(timeout=30)
    assert f"stopped cleanly by {name}" in output
    assert len(output.splitlines()) <= 2, output
