"""The examples in other languages, run as their first lines say, if their tools are installed."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.broker.conftest import environment
from tests.broker.worker_process import ROOT, WorkerProcess
from tests.conftest import eventually

pytestmark = pytest.mark.timeout(240)

CLIENTS = ROOT / "examples/clients"


@pytest.fixture
async def summarize(broker, provider):
    """Yield a function that runs a program next to a summarize worker and returns its output."""
    settings = environment(broker, provider) | {"CARTEIRO_TOPIC_PREFIX": "others"}
    create = [sys.executable, "-c", "from carteiro.cli.main import run; run()", "topics", "create", "--partitions", "2"]
    subprocess.run(create, env={**os.environ, **settings}, capture_output=True, check=True)
    with WorkerProcess("summarize", **settings) as worker:
        await eventually(worker.ready)

        async def run(command: list[str], folder: Path, text: str = "The train leaves at nine.") -> str:
            provider.queue_completion("A train goes.")
            done = await asyncio.to_thread(
                subprocess.run,
                [*command, text],
                cwd=folder,
                env={**os.environ, **settings},
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert done.returncode == 0, done.stderr
            return str(done.stdout)

        yield run
    provider.forget()


async def test_confluent_kafka_gets_a_reply(summarize):
    assert (await summarize([sys.executable, str(CLIENTS / "confluent.py")], ROOT)).strip() == "A train goes."


@pytest.mark.skipif(shutil.which("npm") is None, reason="no Node.js here")
async def test_kafkajs_gets_a_reply(summarize, tmp_path):
    install = ["npm", "install", "--no-audit", "--no-fund", "--silent", "kafkajs@2"]
    if subprocess.run(install, cwd=tmp_path, capture_output=True, timeout=120).returncode:
        pytest.skip("npm cannot install kafkajs here")
    shutil.copy(CLIENTS / "kafkajs.mjs", tmp_path)
    assert (await summarize(["node", "kafkajs.mjs"], tmp_path)).strip().splitlines()[-1] == "A train goes."


@pytest.mark.skipif(shutil.which("go") is None, reason="no Go here")
async def test_go_gets_a_reply(summarize, tmp_path):
    shutil.copytree(CLIENTS / "go", tmp_path / "go")
    if subprocess.run(["go", "mod", "tidy"], cwd=tmp_path / "go", capture_output=True, timeout=120).returncode:
        pytest.skip("Go cannot get its modules here")
    assert '"summary":"A train goes."' in await summarize(["go", "run", "."], tmp_path / "go")


@pytest.mark.skipif(shutil.which("kcat") is None, reason="no kcat here")
async def test_kcat_sends_any_text(summarize, provider):
    text = 'She said "go",\n\tthen C:\\temp\\new & $HOME.'
    assert '"summary":"A train goes."' in await summarize(["sh", str(CLIENTS / "kcat.sh")], ROOT, text)
    assert text in provider.requests[-1].body["messages"][-1]["content"]
