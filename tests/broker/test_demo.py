"""`carteiro demo` and `carteiro up` on the packaged models, as a first user runs them."""

import asyncio
import contextlib
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from carteiro.tasks.discovery import task_names
from tests.conftest import eventually

CARTEIRO = str(Path(sys.executable).with_name("carteiro"))
ROOT = Path(__file__).parents[2]


def start(*arguments: str, stderr: int = subprocess.STDOUT, **environment: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CARTEIRO_")}
    return subprocess.Popen(
        [CARTEIRO, *arguments],
        cwd=ROOT,
        env=clean | {"COLUMNS": "120"} | environment,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )


def read_until(process: subprocess.Popen[str], event: str) -> list[str]:
    """Return the lines of a process up to the one with the event."""
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if event in line:
            break
    return lines


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def read_all(terminal: int) -> str:
    """Return the output on a terminal until its last user closes it."""
    shown = b""
    with contextlib.suppress(OSError):  # Linux reports a closed terminal with this error.
        while piece := os.read(terminal, 65536):
            shown += piece
    os.close(terminal)
    return shown.decode(errors="replace")


def brokers() -> set[str]:
    """Return the embedded brokers on this machine by process id. Ctrl-C does not reach them directly."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in listed.splitlines() if "--storage-engine" in line}


@pytest.mark.slow
async def test_demo_shows_each_reply_and_leaves_nothing_running(tmp_path):
    (tmp_path / "chat.json").write_text('{"messages": [{"role": "user", "content": "What is the capital of France?"}]}')
    (tmp_path / "translate.json").write_text('{"text": "The cat sleeps.", "target": "pt"}')
    (tmp_path / "sentiment-pt.json").write_text('{"text": "Gostei muito do filme."}')
    (tmp_path / "answer.json").write_text('{"question": "How long is the frame\'s warranty?", "collection": "demo"}')
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents/w.md").write_text("# Warranty\n\nThe frame has a warranty of five years.\n")
    before = brokers()
    process = start("demo", "--examples", str(tmp_path))
    await eventually(lambda: brokers() - before)
    output, _ = await asyncio.to_thread(process.communicate, timeout=240)
    assert process.returncode == 0, output
    assert f"{len(task_names())} services are up" in output
    for shown in (
        "What is the capital of France?",
        "Paris",
        "O gato dorme",
        "Gostei muito do filme.",
        "local:smollm2",
        "w.md",
        "[1]",
    ):
        assert shown in output
    # No log line, of ours or of a library, is among the replies.
    assert '{"event"' not in output
    assert "InitProducerId" not in output
    await eventually(lambda: brokers() <= before)


@pytest.mark.long
@pytest.mark.slow
async def test_demo_prints_json_for_programs(tmp_path):
    (tmp_path / "sentiment.json").write_text('{"text": "I love it."}')
    # As in `carteiro demo --json | jq`, typed at a terminal.
    terminal, stderr = pty.openpty()
    process = start("demo", "--examples", str(tmp_path), "--json", stderr=stderr)
    os.close(stderr)
    reading = asyncio.create_task(asyncio.to_thread(read_all, terminal))
    output, _ = await asyncio.to_thread(process.communicate, timeout=240)
    assert "awaiting" in await reading
    assert process.returncode == 0
    (result,) = map(json.loads, output.splitlines())
    assert (result["example"], result["error"], result["reply"]["result"]["label"]) == ("sentiment", None, "positive")


@pytest.mark.slow
@pytest.mark.parametrize("moment", [pytest.param("loading the model", marks=pytest.mark.long), "joining the group"])
async def test_ctrl_c_stops_the_demo_at_any_moment(moment):
    before = brokers()
    process = start("demo", CARTEIRO_LOG_LEVEL="info", CARTEIRO_LOG_FORMAT="json")
    event = {"loading the model": "loading the model", "joining the group": "the model is loaded"}[moment]
    seen = await asyncio.to_thread(read_until, process, event)
    assert brokers() - before
    os.killpg(process.pid, signal.SIGINT)
    output, _ = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 130, "".join(seen) + output
    assert output.rstrip().endswith("carteiro: stopped")
    assert "Traceback" not in output
    await eventually(lambda: brokers() <= before)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "there are no requests in"),
        ({"sing.json": "{}"}, "there is no task 'sing'"),
        ({"chat.json": "{"}, "chat.json: "),
        ({"chat.json": '{"messages": []}'}, "messages"),
    ],
)
async def test_invalid_examples_end_in_one_line(tmp_path, files, says):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    process = start("demo", "--examples", str(tmp_path))
    output, _ = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 1
    assert says in output
    assert output.count("\n") == 1


@pytest.mark.slow
async def test_model_that_cannot_be_loaded_ends_the_demo_in_one_line(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    process = start("demo", CARTEIRO_MODEL=f"local:{tmp_path}")
    output, _ = await asyncio.to_thread(process.communicate, timeout=120)
    assert process.returncode == 1, output
    assert str(tmp_path) in output.replace("\n", "")
    assert "Traceback" not in output


async def test_up_with_its_port_in_use_ends_in_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start("up", "--port", str(taken.getsockname()[1]))
        output, _ = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 1
    assert "--port" in output
    assert output.count("\n") == 1


async def test_up_runs_until_ctrl_c(provider):
    port = free_port()
    before = brokers()
    process = start(
        "up",
        "--port",
        str(port),
        CARTEIRO_MODEL=f"{provider.url}#echo",
        CARTEIRO_HTTP_PORT="0",
        CARTEIRO_LOG_FORMAT="json",
    )
    lines = await asyncio.to_thread(read_until, process, '"event": "ready"')
    assert any(line.startswith(f"Kafka    127.0.0.1:{port}") for line in lines)
    assert not any('"level": "warning"' in line for line in lines)
    (page,) = [match[1] for line in lines if (match := re.match(r"page +(http://127\.0\.0\.1:[1-9]\d+/)", line))]
    with await asyncio.to_thread(urllib.request.urlopen, page) as answer:
        assert 'id="form"' in answer.read().decode()
    client = start("ask", "chat", "Hello.", CARTEIRO_BOOTSTRAP_SERVERS=f"127.0.0.1:{port}")
    assert (await asyncio.to_thread(client.communicate, timeout=60))[0] == "Hello.\n"
    os.killpg(process.pid, signal.SIGINT)
    output, _ = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 0, output
    await eventually(lambda: brokers() <= before)


@pytest.mark.long
@pytest.mark.slow
async def test_ctrl_c_stops_up_while_it_loads_a_model():
    before = brokers()
    settings = {"CARTEIRO_HTTP_PORT": "0", "CARTEIRO_LOG_LEVEL": "info", "CARTEIRO_LOG_FORMAT": "json"}
    process = start("up", "--port", str(free_port()), CARTEIRO_GRACE_SECONDS="1", **settings)
    # The first model is loaded, and the second one is loading.
    seen = await asyncio.to_thread(read_until, process, "the model is loaded")
    os.killpg(process.pid, signal.SIGINT)
    output, _ = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 0, "".join(seen) + output
    assert '"event": "stopped"' in output.splitlines()[-1]
    await eventually(lambda: brokers() <= before)
