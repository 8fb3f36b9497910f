"""`carteiro ask` as a user types it."""

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


async def test_text_comes_from_an_argument_a_file_or_a_pipe(tmp_path):
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


async def test_request_is_read_from_a_file(tmp_path):
    request = tmp_path / "chat.json"
    request.write_text('{"messages": [{"role": "user", "content": "Whole."}]}')
    result = await run("ask", "chat", "--request", str(request))
    assert (result.returncode, result.stdout) == (0, "Whole.\n")


async def test_schema_is_read_from_a_file(tmp_path):
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


async def test_error_reply_is_one_line_and_exit_code_1(provider):
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
        (["ask", "translate", "x"], 2, "--to: is missing"),
        (["ask", "translate", "x", "--to", "portuguese"], 2, "--to: must be a language tag"),
        (["ask", "answer", "x"], 2, "--question: is missing"),
        (["ask", "chat", "--file", "/no/such/file"], 2, "/no/such/file: No such file"),
        (["ask", "chat", "--request", "pyproject.toml"], 2, "pyproject.toml: is not JSON"),
        (["ask", "chat", ""], 2, "the text: must not be blank"),
        (["ask", "chat", "--request", "docs/asyncapi.json"], 2, "messages"),
    ],
)
async def test_wrong_call_is_one_line_and_exit_code_2(arguments, code, says):
    result = await run(*arguments, stdin="")
    assert result.returncode == code
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


async def test_missing_kafka_is_one_line_and_exit_code_3():
    result = await run("ask", "chat", "x", CARTEIRO_BOOTSTRAP_SERVERS="127.0.0.1:9")
    assert result.returncode == 3
    assert "no Kafka broker answers at 127.0.0.1:9" in result.stderr
    assert result.stderr.count("\n") == 1


async def test_missing_reply_is_one_line_and_exit_code_4(provider):
    provider.hold()
    try:
        result = await run("ask", "chat", "x", "--timeout", "1")
    finally:
        provider.release()
    assert (result.returncode, result.stderr.count("\n")) == (4, 1)
