"""`carteiro ask --jsonl` as a user types it, interrupted at any point, and resumed."""

import asyncio
import json
import math
import os
import pty
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from carteiro.wire.record import last_header, record_id
from tests.broker.fake_service import FakeService
from tests.conftest import eventually

CARTEIRO = str(Path(sys.executable).with_name("carteiro"))


class BulkJobFiles:
    """A job's files, and the commands that use them."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.input = folder / "in.jsonl"
        self.out = folder / "out.jsonl"
        self.notes = folder / "out.jsonl.job"
        self.environment = environment

    def write(self, *lines: Any) -> None:
        self.input.write_text("".join(f"{json.dumps(line)}\n" for line in lines))

    def start(self, *options: str, task: str = "summarize", stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [CARTEIRO, "ask", task, "--jsonl", str(self.input), "--out", str(self.out), *options],
            env=os.environ | self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    async def run(self, *options: str, code: int = 0, task: str = "summarize") -> tuple[str, str]:
        process = self.start(*options, task=task)
        output, errors = await asyncio.to_thread(process.communicate, timeout=120)
        assert process.returncode == code, errors
        return output, errors

    def written(self) -> list[dict[str, Any]]:
        """Return the complete lines of the file of replies."""
        whole = self.out.read_bytes().rpartition(b"\n")[0] if self.out.exists() else b""
        return [json.loads(line) for line in whole.splitlines()]

    def replies(self) -> dict[int, dict[str, Any]]:
        """Return the replies by line number. No line may have two replies."""
        written = self.written()
        assert max(Counter(each["line"] for each in written).values(), default=1) == 1
        return {each["line"]: each["reply"] for each in written}

    def noted(self) -> set[int]:
        """Return the line numbers that are noted as sent."""
        rows = [json.loads(line)["sent"] for line in self.notes.read_bytes().splitlines(keepends=True)[1:]]
        return {line for row in rows for first, last in row for line in range(first, last + 1)}


@pytest.fixture
async def service(broker) -> AsyncIterator[FakeService]:
    async with FakeService(broker.address) as running:
        yield running


@pytest.fixture
def files(service: FakeService, tmp_path: Path) -> BulkJobFiles:
    return BulkJobFiles(tmp_path, service.environment)


def lines_of(records: list[Any]) -> Counter[int]:
    """Count the records of each line in the topic of requests."""
    return Counter(int(last_header(each.headers, "correlation_id").rpartition(b"-")[2]) for each in records)


async def test_every_line_gets_one_reply_whatever_its_content(service: FakeService, files: BulkJobFiles):
    lines = [
        '{"text": "Um."}',
        '"Dois."',
        "",
        '{"text": ',
        '{"text": "x", "txet": 1}',
        '"fail"',
        "7",
        '{"text":"Sete"}',
    ]
    files.input.write_text("\n".join(lines))
    output, _ = await files.run("--length", "short", code=1)
    replies = files.replies()
    assert sorted(replies) == [1, 2, 4, 5, 6, 7, 8]
    assert [replies[line]["result"]["summary"] for line in (1, 2, 8)] == ["Um.", "Dois.", "Sete"]
    assert replies[6]["error"]["code"] == "model_refused"
    assert replies[4] == {
        "status": "error",
        "error": {
            "code": "invalid_request",
            "message": replies[4]["error"]["message"],
            "retryable": False,
            "fields": replies[4]["error"]["fields"],
        },
    }
    assert replies[4]["error"]["message"].startswith("line: is not JSON: ")
    assert replies[5]["error"]["message"] == "txet: is not a field of this request"
    assert replies[7]["error"]["code"] == "invalid_request"
    assert output == (
        "7 answered: 3 ok, 4 errors (3 invalid_request, 1 model_refused); 9 + 6 tokens; "
        "0.006000 USD, none of it by batch\n"
    )
    assert len(service.requests) == 4
    for record in service.requests:
        assert json.loads(record.value)["length"] == "short"
        headers = dict(record.headers)
        assert headers["correlation_id"] == headers["idempotency_key"]
        assert "timeout_ms" not in headers


async def test_wait_option_is_sent_and_sets_no_limit(service: FakeService, files: BulkJobFiles):
    files.write(*({"text": f"{i}", "options": {"temperature": 0}} for i in range(400)))
    service.max_answers = 0
    process = files.start("--wait", "24h")
    await eventually(lambda: len(service.requests) == 400)
    service.max_answers = math.inf
    output, errors = await asyncio.to_thread(process.communicate, timeout=120)
    assert process.returncode == 0, errors
    assert output == ("400 answered: 400 ok; 1200 + 800 tokens; 0.400000 USD, 0.400000 of it by batch (400 requests)\n")
    assert json.loads(service.requests[0].value)["options"] == {"temperature": 0, "wait": "24h"}
    assert "timeout_ms" not in dict(service.requests[0].headers)


async def test_requests_in_flight_are_limited_without_wait_option(service: FakeService, files: BulkJobFiles):
    files.write(*(f"{i}" for i in range(100)))
    await files.run("--in-flight", "7", "--timeout", "90")
    assert 0 < service.max_open <= 7
    assert len(files.replies()) == 100
    assert dict(service.requests[0].headers)["timeout_ms"] == b"90000"


async def test_job_killed_twice_and_resumed_answers_each_line_once(service: FakeService, files: BulkJobFiles):
    files.write(*(f"Line {i}." for i in range(1, 301)))
    service.max_answers = 100
    process = files.start("--in-flight", "50")
    await eventually(lambda: len(files.written()) >= 20)
    process.kill()
    process.communicate()
    first = files.noted()

    process = files.start("--in-flight", "50")
    await eventually(lambda: service.answered == 100 and service.open >= 50)
    process.kill()
    process.communicate()
    noted, written = files.noted(), set(files.replies())

    service.max_answers = math.inf
    await eventually(lambda: service.open == 0)
    before = list(service.requests)
    away = set(lines_of(before)) - written
    assert len(away) >= 50
    for torn in (files.out, files.notes):
        with torn.open("ab") as file:
            file.write(b'{"line": 7, "re')
    output, errors = await files.run("--in-flight", "50")
    assert "carteiro: going on: " in errors
    assert output.startswith("300 answered: 300 ok; ")

    replies = files.replies()
    assert {line: reply["result"]["summary"] for line, reply in replies.items()} == {
        line: f"Line {line}." for line in range(1, 301)
    }
    assert {replies[line]["request_id"] for line in away} <= {record_id(each) for each in before}, (
        "from while it was away"
    )
    times = lines_of(service.requests)
    assert set(times) == set(range(1, 301))
    assert {times[line] for line in first} <= {1}
    assert all(lines_of(before)[line] == times[line] for line in noted)
    assert max(times.values()) <= 3


async def test_finished_job_prints_its_summary_without_kafka_and_starts_no_other_job(
    service: FakeService, files: BulkJobFiles
):
    files.write("One.", "fail")
    output, _ = await files.run(code=1)
    files.environment["CARTEIRO_BOOTSTRAP_SERVERS"] = "127.0.0.1:9"
    assert await files.run(code=1) == (output, "")
    files.write("One.", "Two.")
    _, errors = await files.run(code=2)
    assert f"{files.input}: is not what {files.out} was begun with: give another --out" in errors
    assert len(service.requests) == len(files.replies()) == 2


async def test_second_process_on_the_same_files_is_rejected(service: FakeService, files: BulkJobFiles):
    files.write("One.")
    service.max_answers = 0
    process = files.start()
    await eventually(lambda: service.requests)
    _, errors = await files.run(code=2)
    assert "another carteiro is at work on it" in errors
    service.max_answers = math.inf
    await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 0


async def test_ctrl_c_prints_the_command_to_resume(service: FakeService, files: BulkJobFiles):
    files.write(*(f"{i}" for i in range(50)))
    service.max_answers = 20
    process = files.start()
    await eventually(lambda: len(files.written()) == 20 and service.open == 30)
    process.send_signal(signal.SIGINT)
    output, errors = await asyncio.to_thread(process.communicate, timeout=60)
    assert (process.returncode, output) == (130, "")
    assert errors == ("carteiro: stopped: 50 sent, 20 of 50 answered, 0 failed; run the same command again to go on\n")
    service.max_answers = math.inf
    await files.run()
    assert len(service.requests) == len(files.replies()) == 50


async def test_missing_reply_ends_with_exit_code_4(service: FakeService, files: BulkJobFiles):
    files.write("One.")
    service.max_answers = 0
    _, errors = await files.run("--timeout", "1", code=4)
    assert errors == (
        "carteiro: no reply in 1 s (is a worker running?); 1 sent, 0 of 1 answered, 0 failed; "
        "run the same command again to go on\n"
    )


async def test_request_larger_than_the_topic_accepts_is_reported(files: BulkJobFiles):
    files.write("x" * (2**20 - 30), "x" * 2**21, "Small.")
    await files.run(code=1)
    replies = files.replies()
    assert [replies[line]["error"]["code"] for line in (1, 2)] == ["too_large", "too_large"]
    assert replies[3]["status"] == "ok"


async def test_terminal_shows_a_progress_bar(service: FakeService, files: BulkJobFiles):
    files.write("One.", "Two.")
    files.environment["TERM"] = "xterm"
    ours, theirs = pty.openpty()
    process = files.start(stderr=theirs)
    os.close(theirs)

    def read() -> bytes:
        shown = b""
        with suppress(OSError):  # The other end is closed.
            while more := os.read(ours, 65536):
                shown += more
        return shown

    shown = await asyncio.to_thread(read)
    os.close(ours)
    await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 0
    assert b"0 of 2 answered" in shown


async def test_bulk_job_with_a_carteiro_worker(services, broker, tmp_path: Path):
    files = BulkJobFiles(tmp_path, {"CARTEIRO_BOOTSTRAP_SERVERS": broker.address})
    files.write({"messages": [{"role": "user", "content": "Hello."}]}, "Olá.")
    await files.run("--system", "Be brief.", task="chat")
    assert {line: reply["result"]["message"]["content"] for line, reply in files.replies().items()} == {
        1: "Hello.",
        2: "Olá.",
    }
