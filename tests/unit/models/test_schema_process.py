"""The process that applies schemas: its requests, its responses, and its limits."""

import json
import subprocess
import sys
from typing import Any

import pytest

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def ask(*requests: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the responses of one process to these requests."""
    messages = [json.dumps({"field": "json_schema", "cpu_seconds": 5.0, **each}).encode() for each in requests]
    sent = b"".join(len(each).to_bytes(4, "big") + each for each in messages)
    done = subprocess.run(
        [sys.executable, "-m", "carteiro.models.schema_process"], input=sent, capture_output=True, check=True
    )
    rest, answers = done.stdout, []
    while rest:
        size = int.from_bytes(rest[:4], "big")
        answers.append(json.loads(rest[4 : 4 + size]))
        rest = rest[4 + size :]
    return answers


@pytest.fixture(scope="module")
def answers() -> dict[str, dict[str, Any]]:
    # Both branches refer to the same part of the data, so that each level doubles the work.
    branches = [{"properties": {"a": {"$ref": "#/$defs/n"}}, "required": [name]} for name in ("y", "z")]
    slow = {"$ref": "#/$defs/n", "$defs": {"n": {"anyOf": branches}}}
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"a": deep}
    requests = {
        "check": {"schema": json.dumps(SCHEMA), "text": None},
        "follows": {"schema": json.dumps(SCHEMA), "text": 'Sure: ```json\n{"n": 7}\n```'},
        "mismatch": {"schema": json.dumps(SCHEMA), "text": '{"n": "secret"}'},
        "no json": {"schema": json.dumps(SCHEMA), "text": "seven"},
        "two": {"schema": json.dumps(SCHEMA), "text": '{"n": 7} {"n": 8}'},
        "no schema": {"schema": json.dumps({"type": 7}), "text": None},
        "remote": {"schema": json.dumps({"$ref": "http://127.0.0.1:1/x"}), "text": None},
        "overrun": {"schema": json.dumps(slow), "text": json.dumps(deep), "cpu_seconds": 0.1},
        "next": {"schema": json.dumps(SCHEMA), "text": '{"n": 1}'},
    }
    return dict(zip(requests, ask(*requests.values()), strict=True))


def test_value_that_follows_the_schema_is_read(answers: dict[str, dict[str, Any]]) -> None:
    assert answers["check"] == {"read": None}
    assert answers["follows"] == {"read": '{"n": 7}'}


def test_mismatch_names_its_position_and_quotes_only_in_the_detail(answers: dict[str, dict[str, Any]]) -> None:
    assert "at n (`type`)" in answers["mismatch"]["invalid_output"]
    assert "secret" not in answers["mismatch"]["invalid_output"]
    assert "secret" in answers["mismatch"]["detail"]


def test_text_without_one_value_is_invalid(answers: dict[str, dict[str, Any]]) -> None:
    assert "not JSON" in answers["no json"]["invalid_output"]
    assert "more than one" in answers["two"]["invalid_output"]


def test_schema_that_is_none_or_refers_outside_is_rejected(answers: dict[str, dict[str, Any]]) -> None:
    assert "invalid_prompt" in answers["no schema"]
    assert "refers to something outside" in answers["remote"]["invalid_prompt"]


def test_schema_beyond_its_time_is_ended_and_the_next_is_served(answers: dict[str, dict[str, Any]]) -> None:
    assert answers["overrun"] == {"overrun": True}
    assert answers["next"] == {"read": '{"n": 1}'}
