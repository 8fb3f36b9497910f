"""`carteiro ask` as it is typed."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CARTEIRO = str(Path(sys.executable).with_name("carteiro"))


async def run(*arguments: str, stdin: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    def call() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [CARTEIRO, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ | environment,
        )

    return await asyncio.to_thread(call)


@pytest.fixture(autouse=True)
def _where_kafka_is(services, broker, monkeypatch):
    monkeypatch.setenv("CARTEIRO_BOOTSTRAP_SERVERS", broker.address)


async def test_text_as_an_argument_from_a_file_and_from_a_pipe(tmp_path):
    (tmp_path / "text.txt").write_text("From a file.")
    for arguments, stdin, expected in (
        (["An argument."], None, "An argument."),
        (["--file", str(tmp_path / "text.txt")], None, "From a file."),
        ([], "From a pipe.\n", "From a pipe."),
    ):
        result = await run("ask", "chat", *arguments, stdin=stdin)
        assert (result.returncode, result.stdout.strip(), result.stderr) == (0, expected, "")


async def test_json_prints_the_whole_reply():
    result = await run("ask", "generate", "Say this.", "--json", "--max-output-tokens", "1")
    reply = json.loads(result.stdout)
    assert (reply["status"], reply["result"]["text"], reply["finish_reason"]) == ("ok", "Say", "length")


async def test_a_request_from_a_file(tmp_path):
    request = tmp_path / "chat.json"
    request.write_text('{"messages": [{"role": "user", "content": "Whole."}]}')
    result = await run("ask", "chat", "--request", str(request))
    assert (result.returncode, result.stdout) == (0, "Whole.\n")


async def test_a_schema_from_a_file(tmp_path):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    result = await run("ask", "generate", "x", "--schema", str(tmp_path / "schema.json"), "--json")
    assert isinstance(json.loads(result.stdout)["result"]["data"]["n"], int)


async def test_every_task_can_be_asked():
    for arguments in (
        ["summarize", "A text."],
        ["translate", "--to", "pt", "A text."],
        ["sentiment", "A text."],
        ["sentiment", "A text.", "--label", "good", "--label", "bad"],
        ["answer", "--question", "Which text?", "A text."],
    ):
        result = await run("ask", *arguments)
        assert result.returncode == 0, result.stderr
        assert result.stdout.strip()


async def test_an_error_reply_is_one_line_and_exit_code_1(provider):
    provider.next("refusal")
    result = await run("ask", "generate", "x")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("carteiro: model_refused: ")
    assert result.stderr.count("\n") == 1
    provider.next("refusal")
    result = await run("ask", "generate", "x", "--json")
    assert json.loads(result.stdout)["error"]["code"] == "model_refused"
    assert result.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["ask", "sing", "x"], 2, "there is no task 'sing'"),
        (["ask", "translate", "x"], 2, "target: Field required"),
        (["ask", "translate", "x", "--to", "portuguese"], 2, "target: "),
        (["ask", "answer", "x"], 2, "question: Field required"),
        (["ask", "chat", "--file", "/no/such/file"], 2, "/no/such/file: No such file"),
        (["ask", "chat", "--request", "pyproject.toml"], 2, "pyproject.toml: is not JSON"),
        (["ask", "chat", ""], 2, "messages.0.content: "),
        (["ask", "chat", "--request", "docs/asyncapi.json"], 2, "messages"),
    ],
)
async def test_a_call_that_is_wrong_is_one_line_and_exit_code_2(arguments, code, says):
    result = await run(*arguments, stdin="")
    assert result.returncode == code
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


async def test_no_kafka_is_one_line_and_exit_code_3():
    result = await run("ask", "chat", "x", CARTEIRO_BOOTSTRAP_SERVERS="127.0.0.1:9")
    assert result.returncode == 3
    assert "no Kafka broker answers at 127.0.0.1:9" in result.stderr
    assert result.stderr.count("\n") == 1


async def test_no_reply_in_time_is_one_line_and_exit_code_4(provider):
    provider.hold()
    try:
        result = await run("ask", "chat", "x", "--timeout", "1")
    finally:
        provider.release()
    assert (result.returncode, result.stderr.count("\n")) == (4, 1)
