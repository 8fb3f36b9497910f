"""`carteiro worker`: a worker with rejected settings says why in one line, and waits if it is told to."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SERVE = "import sys; sys.argv = ['carteiro', 'worker']; from carteiro.cli.command import main; main()"
# As in the image `cloud`: torch cannot be found.
NO_TORCH = (
    "import importlib.util as u; find = u.find_spec\n"
    f"u.find_spec = lambda name, *more: None if name == 'torch' else find(name, *more)\n{SERVE}"
)


def started(program: str, **settings: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CARTEIRO_", "OPENAI_"))}
    env = clean | {"PYTHONPATH": f"{ROOT}/shared:{ROOT}"} | settings
    return subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("program", "settings", "message"),
    [
        (NO_TORCH, {}, "no model: this installation has none of its own. Set OPENAI_API_KEY, or CARTEIRO_MODEL"),
        (SERVE, {"TASK": "sing"}, "TASK: there is no task 'sing'"),
        (SERVE, {"TASK": "answer,index"}, "TASK: index is a service of its own"),
        (SERVE, {"TASK": "enrich"}, "CARTEIRO_ENRICHMENTS: name the file of an enrichment"),
        (SERVE, {"CARTEIRO_MAX_IN_FLIGHT": "none"}, "CARTEIRO_MAX_IN_FLIGHT"),
        (SERVE, {"CARTEIRO_MODEL": "openai:gpt-4.1-mini"}, "OPENAI_API_KEY"),
    ],
    ids=["no-model", "no-task", "not-by-itself", "no-enrichment", "setting", "no-key"],
)
def test_rejected_worker_says_why_in_one_line_and_waits_for_its_stop(
    program: str, settings: dict[str, str], message: str
) -> None:
    process = started(program, WAIT_IF_REFUSED="true", **settings)
    timer = threading.Timer(60, process.kill)
    timer.start()
    assert process.stderr is not None
    try:
        assert message in process.stderr.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
        assert process.stderr.read() == ""
    finally:
        timer.cancel()
        process.kill()
        process.communicate()


def test_rejected_worker_ends_by_default() -> None:
    process = started(NO_TORCH)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 3
    assert message.count("\n") == 1
    assert "no model" in message


def test_setting_that_rejects_the_worker_keeps_its_exit_code() -> None:
    process = started(SERVE, TASK="sing")
    process.communicate(timeout=60)
    assert process.returncode == 2
