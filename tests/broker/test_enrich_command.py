"""`carteiro enrich --try` and `--since` as a user types them."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from carteiro.cli.embedded import EmbeddedBroker
from tests.broker.conftest import environment
from tests.broker.test_enrich import create_topics
from tests.provider import Provider

FILE = """\
from: tickets
to: tickets.enriched
when: "text"
steps: [{task: generate, request: "{prompt: text}", into: ai.echo, take: text}]
"""
EVENTS = [b'{"n": 1, "text": "one"}', b'{"n": 2}', b"\xff", b'{"n": 4, "text": ""}', b'{"n": 5, "text": "five"}']


Run = Callable[..., Awaitable[subprocess.CompletedProcess[str]]]


@pytest.fixture
def run(broker: EmbeddedBroker, provider: Provider, tmp_path: Path) -> Run:
    path = tmp_path / "tickets.yaml"
    path.write_text(FILE)

    async def run(*options: str, file: Path = path) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("carteiro")), "enrich", str(file), *options]
        settings = {name: value for name, value in os.environ.items() if not name.startswith("CARTEIRO_")}
        settings |= environment(broker, provider)
        return await asyncio.to_thread(subprocess.run, command, env=settings, capture_output=True, text=True)

    return run


@pytest.fixture(scope="module")
async def tickets(broker: EmbeddedBroker) -> None:
    await create_topics(broker, "tickets")
    producer = AIOKafkaProducer(bootstrap_servers=broker.address)
    await producer.start()
    for event in EVENTS:
        await producer.send_and_wait("tickets", event, partition=0, timestamp_ms=1_764_547_200_000)  # 2025-12-01
    await producer.stop()


async def test_trial_shows_events_before_and_after_and_writes_nothing(
    run: Run, tickets: None, broker: EmbeddedBroker
) -> None:
    done = await run("--try", "3", "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event_id"] for line in lines] == ["tickets/0/2", "tickets/0/3", "tickets/0/4"]
    assert lines[0]["errors"][0]["code"] == "unreadable"
    assert lines[1]["before"] == lines[1]["after"]
    assert "five" in json.loads(lines[2]["after"])["ai"]["echo"]
    assert "Nothing was written" in done.stderr
    assert "Backlog: 5 events" in done.stderr
    since = await run("--try", "1", "--json", "--since", "2025-11-30")
    assert json.loads(since.stdout)["event_id"] == "tickets/0/0"
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.address)
    await consumer.start()
    assert "tickets.enriched" not in await consumer.topics()
    await consumer.stop()
    later = await run("--try", "1", "--since", "2026-01-01")
    assert "has no events since then" in later.stdout
    people = await run("--try", "1")
    assert '"echo"' in people.stdout
    assert people.stdout.count("five") > 1


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (FILE.replace("tickets", "nowhere"), ["--try", "1"], "there is no topic nowhere"),
        (FILE.replace("generate", "sing"), ["--try", "1"], "there is no task 'sing'"),
        (FILE.replace("{prompt", "{{prompt"), [], "line 4"),
        (FILE + "more: 1\nand: 2\n", [], "more: is not a field of this file; "),
        (FILE, ["--since", "yesterday"], "--since 'yesterday' is no time"),
    ],
)
async def test_wrong_use_is_one_line(
    run: Run, tickets: None, tmp_path: Path, text: str, options: list[str], message: str
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    done = await run(*options, file=path)
    assert done.returncode > 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr


async def test_doctor_checks_the_file_its_topics_and_its_expressions(
    tickets: None, broker: EmbeddedBroker, provider: Provider, tmp_path: Path
) -> None:
    (tmp_path / "good.yaml").write_text(FILE)
    (tmp_path / "odd.yaml").write_text(FILE.replace("{prompt: text}", "{prompt: join(text, ', ')}"))
    (tmp_path / "wrong.yaml").write_text(FILE.replace("into: ai.echo", "into: '@'"))
    command = [str(Path(sys.executable).with_name("carteiro")), "doctor", "--no-ask", "--json"]
    settings = {name: value for name, value in os.environ.items() if not name.startswith("CARTEIRO_")}
    settings |= environment(broker, provider)
    files = [str(tmp_path / f"{name}.yaml") for name in ("good", "odd", "wrong")]
    done = await asyncio.to_thread(
        subprocess.run, [*command, *files], env=settings, capture_output=True, text=True, check=False
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    told = [(each["verdict"], each["message"]) for each in found if "events of" in each["what"]]
    assert ("ok", "when: true on 2 of 4 events") in told
    assert any(verdict == "fault" and "join() takes" in message for verdict, message in told)
    assert any("line 4: steps.0.into: '@' is no path" in each["message"] for each in found)
    assert done.returncode == 1
