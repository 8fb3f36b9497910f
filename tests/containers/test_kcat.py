"""The example for kcat, on Apache Kafka: the embedded broker and older librdkafkas are incompatible."""

import asyncio
import os
import shutil
import subprocess

import pytest

from tests.broker.worker_process import ROOT
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider

pytestmark = [pytest.mark.containers, pytest.mark.skipif(shutil.which("kcat") is None, reason="no kcat here")]


async def test_example_prints_the_reply(kafka: ApacheKafka, model: ScriptedProvider):
    model.queue_completion("A train goes.")
    async with Cluster(kafka.address, model, "kcat", task="summarize") as cluster:
        await cluster.start_and_wait("a")
        settings = {"CARTEIRO_BOOTSTRAP_SERVERS": kafka.address, "CARTEIRO_TOPIC_PREFIX": "kcat"}
        done = await asyncio.to_thread(
            subprocess.run,
            ["sh", ROOT / "examples/clients/kcat.sh", "The train leaves at nine."],
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert '"summary":"A train goes."' in done.stdout
