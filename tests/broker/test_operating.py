"""The operators' commands `carteiro topics`, `doctor` and `status`."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from carteiro.schemas import REQUESTS
from tests.broker.conftest import environment
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.broker.worker_process import WorkerProcess
from tests.conftest import eventually

pytestmark = pytest.mark.timeout(240)

CARTEIRO = str(Path(sys.executable).with_name("carteiro"))


async def carteiro(settings: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a thread. The test's provider has to answer it."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CARTEIRO_", "OPENAI_"))}
    command = [CARTEIRO, *words]
    return await asyncio.to_thread(
        subprocess.run, command, env=clean | settings, capture_output=True, text=True, timeout=120
    )


def lines(run: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.fixture
def settings(broker, provider) -> dict[str, str]:
    return environment(broker, provider) | {"CARTEIRO_TOPIC_PREFIX": "operated", "CARTEIRO_SERVER_API_KEY": "sk-secret"}


async def test_topics_are_created_once(settings):
    first = lines(await carteiro(settings, "topics", "create", "--partitions", "2", "--batches", "--json"))
    created = {each["topic"] for each in first}
    assert {
        f"operated.{task}.{kind}" for task in REQUESTS for kind in ("requests", "replies", "dead", "deferred")
    } < created
    assert "operated.chat.conversations" in created
    assert all(each["created"] for each in first)
    again = lines(await carteiro(settings, "topics", "create", "--partitions", "2", "--batches", "--json"))
    assert [each["created"] for each in again] == [False] * len(first)


async def test_doctor_reports_good_and_bad_findings(settings, provider):
    await carteiro(settings, "topics", "create")
    run = await carteiro(settings, "doctor", "--json")
    found = {each["what"]: each for each in lines(run)}
    assert run.returncode == 0, run.stderr
    assert found["broker"]["verdict"] == found["topics of chat"]["verdict"] == "ok"
    # The embedded broker has no transactions, which is not a fault.
    assert found["transactions"]["verdict"] == "ok"
    assert "the embedded broker has none" in found["transactions"]["message"]
    assert "answered within" in found[f"model {provider.url}#echo"]["message"]

    provider.next("401")
    run = await carteiro(settings, "doctor", "--json")
    found = {each["what"]: each for each in lines(run)}
    assert run.returncode == 1
    assert found[f"model {provider.url}#echo"]["verdict"] == "fault"
    assert found[f"model {provider.url}#echo"]["advice"]


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"CARTEIRO_BOOTSTRAP_SERVERS": "127.0.0.1:9"}, "broker"),
        ({"CARTEIRO_CHAT_MODEL": "openai:gpt-4.1"}, "model openai:gpt-4.1"),
        ({"CARTEIRO_CHAT_MODEL": "nonsense"}, "model nonsense"),
    ],
)
async def test_doctor_finds_a_fault(settings, wrong, what):
    run = await carteiro(settings | wrong, "doctor", "--no-ask", "--json")
    assert run.returncode == 1
    (fault,) = [each for each in lines(run) if each["verdict"] == "fault"]
    assert fault["what"] == what
    assert "Traceback" not in run.stderr


async def test_status_shows_the_counts_of_requests(settings, broker):
    with WorkerProcess("chat", **settings) as worker:
        await eventually(worker.ready)
        async with RawKafkaClient(broker.address, "operated.chat.replies") as peer:
            for body in ({"messages": [{"role": "user", "content": "Good morning."}]}, {}):
                await peer.ask("operated.chat.requests", body)
        url = f"http://127.0.0.1:{worker.find_log_line('starting')['http_port']}"
        status = json.loads(
            (await carteiro(settings, "status", "--json", "--workers", f"{url},http://127.0.0.1:9")).stdout
        )
        chat = status["tasks"]["chat"]
        assert (chat["ok"], chat["errors"], chat["in_flight"]) == (1, 1, 0)
        assert chat["output_tokens"] > 0
        assert status["silent"] == ["http://127.0.0.1:9"]
        shown = (await carteiro(settings, "status", "--workers", url)).stdout
        assert "\x1b" not in shown
        assert "…" not in shown
        unknown = (await carteiro(settings, "status", "--workers", "http://127.0.0.1:9")).stdout
        assert set(next(line for line in unknown.splitlines() if line.startswith("chat")).split()[2:]) == {"–"}
        unknown = json.loads((await carteiro(settings, "status", "--json", "--workers", "http://127.0.0.1:9")).stdout)
        assert unknown["tasks"]["chat"]["ok"] is None
        (row,) = [line.split() for line in shown.splitlines() if line.startswith("chat")]
        assert row[3:5] == ["1", "1"]


async def test_shell_completion_works():
    # As the installed program: its name is part of the variable's.
    environment = os.environ | {"_CARTEIRO_COMPLETE": "source_bash"}
    run = await asyncio.to_thread(subprocess.run, [CARTEIRO], env=environment, capture_output=True, text=True)
    assert "complete" in run.stdout
