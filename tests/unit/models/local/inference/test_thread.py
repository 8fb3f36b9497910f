"""Exit of a process while a model's thread is busy."""

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, atexit, sys, time
from carteiro.models.local.inference.thread import ModelThread, set_exit_code

async def work(seconds):
    await asyncio.wait_for(ModelThread("sleeper").run(lambda _: time.sleep(seconds)), 1 if seconds else None)

atexit.register(lambda: print("flushed", file=sys.stderr, end=""))
try:
    asyncio.run(work(float(sys.argv[1])))
except TimeoutError:
    print("interrupted", end="")
set_exit_code(7)
"""


@pytest.mark.parametrize(("seconds", "code", "printed"), [("60", 7, "interrupted"), ("0", 0, "")])
def test_exit_code_applies_only_while_a_thread_is_busy(seconds, code, printed):
    done = subprocess.run([sys.executable, "-c", PROGRAM, seconds], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (code, printed, "flushed")
