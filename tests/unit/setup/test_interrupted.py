"""A setup that is interrupted, or that runs next to another."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.unit.setup.checkout import CALM_PIP, Checkout, last_line, wait_until

# Pip, stopped while it unpacks a package. The METADATA file is there, so pip would take the package for installed.
SLOW_PIP = """
info = pathlib.Path(sysconfig.get_path("purelib"), "aiokafka-0.14.0.dist-info")
info.mkdir(exist_ok=True)
(info / "METADATA").write_text("Name: aiokafka\\nVersion: 0.14.0\\n")
pathlib.Path("pip.pid").write_text(str(os.getpid()))
pathlib.Path("installing").touch()
time.sleep(30)
"""


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT", "SIGTERM"])
def test_environment_is_made_again_after_an_interrupted_install(
    checkout: Checkout, processes: list[subprocess.Popen[str]], name: str
) -> None:
    checkout.pip_does(f"if '-e ./shared' in args:\n  exec({SLOW_PIP!r})")
    process = checkout.start("sh", "scripts/setup")
    processes.append(process)
    wait_until((checkout.root / "installing").exists)
    number = signal.Signals[name]
    if number == signal.SIGTERM:
        process.terminate()  # Only the script gets the signal, as with make.
    else:
        os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=30)
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert "Run the same command again" in last_line(output)
    pip = int((checkout.root / "pip.pid").read_text())
    wait_until(lambda: gone(pip))

    assert checkout.run("make", "-q", ".venv/ready")[0] == 1
    checkout.pip_does(CALM_PIP)
    (checkout.env / "trace").touch()
    code, output = checkout.run("make", ".venv/ready")
    assert code == 0, output
    assert not (checkout.env / "trace").exists()
    assert not list(checkout.env.glob("lib/*/site-packages/*.dist-info"))


def test_interrupt_while_python_makes_the_environment(
    checkout: Checkout, processes: list[subprocess.Popen[str]]
) -> None:
    # The interpreter is there already, its pip is not.
    copy = f'cp -R {checkout.bare_env}/. "$3"; touch making; exec sleep 30'
    checkout.add("python3", f'[ "$1 $2" = "-m venv" ] || exec {checkout.python} "$@"; {copy}')
    process = checkout.start("sh", "scripts/setup")
    processes.append(process)
    wait_until((checkout.root / "making").exists)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    checkout.add_python("python3")
    code, output = checkout.setup()
    assert code == 0, output
    assert checkout.pip_calls()


def test_second_setup_waits_for_a_pip_that_lost_its_parent(
    checkout: Checkout, processes: list[subprocess.Popen[str]]
) -> None:
    checkout.pip_does("""
p = pathlib.Path
p("order").open("a").write("in ")
p("installing").touch()
while not p("go").exists(): time.sleep(0.01)
p("order").open("a").write("out ")
""")
    first = checkout.start("sh", "scripts/setup")
    processes.append(first)
    wait_until((checkout.root / "installing").exists)
    first.kill()  # Its pip lives on.
    second = checkout.start("sh", "scripts/setup")
    processes.append(second)
    assert second.stdout is not None
    assert "waiting for another one" in second.stdout.readline()
    time.sleep(0.3)
    order = checkout.root / "order"
    assert order.read_text().split() == ["in"]
    (checkout.root / "go").touch()
    output, _ = second.communicate(timeout=30)
    assert second.returncode == 0, output
    assert order.read_text().split()[:4] == ["in", "out", "in", "out"]
