"""The fork server of the tests: a forked command is a process like any other."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import fork_server

CARTEIRO = str(Path(sys.executable).with_name("carteiro"))
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="commands are forked on Linux only")


def test_forked_command_has_its_own_streams_environment_and_exit_code(tmp_path, monkeypatch):
    assert subprocess.Popen is fork_server.ForkedPopen
    monkeypatch.setenv("CARTEIRO_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    (tmp_path / "other").mkdir()
    run = subprocess.run([CARTEIRO, "bulk", "chat", "missing.jsonl"], cwd=tmp_path, capture_output=True, text=True)
    real = subprocess.run(
        [sys.executable, CARTEIRO, "bulk", "chat", "missing.jsonl"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (run.returncode, run.stdout, run.stderr) == (real.returncode, real.stdout, real.stderr)
    assert run.returncode != 0
    assert run.stderr


def test_forked_command_is_a_child_that_signals_reach():
    settings = {"CARTEIRO_BOOTSTRAP_SERVERS": "127.0.0.1:1", "CARTEIRO_MODEL": "http://127.0.0.1:1/v1#echo"}
    command = [CARTEIRO, "worker", "chat"]
    with subprocess.Popen(command, env=os.environ | settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
        assert run.stdout
        assert b"starting" in run.stdout.readline()
        run.send_signal(signal.SIGKILL)
    assert run.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    "refused",
    [
        {"shell": True},
        {"env": {"PYTHONPATH": "elsewhere"}},
        {"args": [sys.executable, "-c", "pass"]},
        {"args": ["/elsewhere/carteiro"]},
    ],
    ids=str,
)
def test_other_commands_are_started_afresh(refused):
    plain = {"args": [CARTEIRO], "env": None, "shell": False, "pass_fds": (), "preexec_fn": None}
    assert fork_server.can_be_forked(plain)
    assert not fork_server.can_be_forked(plain | refused)
