"""A copy of the setup files, to run the setup with a pip that installs nothing.

The interpreter, the shell, make and the environment are real. The pip is a few lines that a test writes.
"""

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
TOOLS = "awk cat cp cut date dirname grep ls make mkdir mv rm sed sh sleep tail touch uname wc"

CALM_PIP = "pass"


class Checkout:
    """A copy of the setup files, and a PATH with only the programs that a test put there."""

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


def wait_until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not check():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


def last_line(output: str) -> str:
    return output.strip().splitlines()[-1]
