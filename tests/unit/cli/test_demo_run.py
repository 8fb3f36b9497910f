"""Requests of the demo."""

import json
from pathlib import Path

import pytest

from carteiro.cli.demo_run import read_examples
from carteiro.schemas import REQUESTS


def test_files_come_first_and_other_tasks_have_the_example_of_their_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples/chat-short.json").write_text('{"messages": [{"role": "user", "content": "Hi"}]}')
    (tmp_path / "examples/summarize.json").write_text('{"text": "A text."}')
    assert [each.name for each in read_examples(tmp_path / "examples")] == ["chat-short", "summarize"]
    monkeypatch.chdir(tmp_path)
    examples = read_examples(None)
    assert [each.name for each in examples[:2]] == ["chat-short", "summarize"]
    others = {each.name: each.request for each in examples[2:]}
    assert set(others) == set(REQUESTS) - {"chat", "summarize"}
    assert json.loads(others["translate"].to_json()) == {"text": "The train leaves at nine.", "target": "pt"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("sing.json", "{}", "there is no task 'sing'"),
        ("chat.json", "{}", "messages: is missing"),
    ],
)
def test_wrong_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SystemExit):
        read_examples(tmp_path)
    assert f"{name}: {message}" in capsys.readouterr().err


def test_folder_without_requests_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_examples(tmp_path)
    assert f"there are no requests in {tmp_path}" in capsys.readouterr().err
