"""The examples in other languages, run as their first lines say, if their tools are installed."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import pytest_asyncio

from tests.broker.conftest import environment
from tests.broker.worker_process import ROOT, WorkerProcess
from tests.conftest import eventually
from tests.registry_server import RegistryServer

pytestmark = pytest.mark.timeout(240)

CLIENTS = ROOT / "examples/clients"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def settings(broker, provider):
    """Settings of a summarize worker that runs, with a registry that has the schemas in Avro."""
    async with RegistryServer() as registry:
        settings = environment(broker, provider) | {
            "CARTEIRO_TOPIC_PREFIX": "others",
            "CARTEIRO_SCHEMA_REGISTRY_URL": registry.url,
        }
        create = [str(Path(sys.executable).with_name("carteiro")), "topics", "create", "--partitions", "2", "--schemas"]
        avro = {"CARTEIRO_SCHEMA_REGISTRY_REPLY_FORMAT": "avro"}
        await asyncio.to_thread(
            subprocess.run, create, env={**os.environ, **settings, **avro}, capture_output=True, check=True
        )
        with WorkerProcess("summarize", **settings) as worker:
            await eventually(worker.ready)
            yield settings


@pytest.fixture
def summarize(settings, provider):
    """Yield a function that runs a program next to a summarize worker and returns its output."""

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
    install_from_npm(tmp_path, "kafkajs@2")
    shutil.copy(CLIENTS / "kafkajs.mjs", tmp_path)
    assert (await summarize(["node", "kafkajs.mjs"], tmp_path)).strip().splitlines()[-1] == "A train goes."


@pytest.mark.skipif(shutil.which("npm") is None, reason="no Node.js here")
async def test_kafkajs_writes_and_reads_avro(summarize, tmp_path):
    install_from_npm(tmp_path, "kafkajs@2", "@kafkajs/confluent-schema-registry@3")
    shutil.copy(CLIENTS / "kafkajs-registry.mjs", tmp_path)
    assert (await summarize(["node", "kafkajs-registry.mjs"], tmp_path)).strip().splitlines()[-1] == "A train goes."


def install_from_npm(folder: Path, *packages: str) -> None:
    """Install packages, or skip the test if there is no registry of packages."""
    install = ["npm", "install", "--no-audit", "--no-fund", "--silent", *packages]
    if subprocess.run(install, cwd=folder, capture_output=True, timeout=120).returncode:
        pytest.skip(f"npm cannot install {packages[-1]} here")


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
