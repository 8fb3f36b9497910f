"""Answers of tools behind Kafka. `tests/broker/test_topic_tool.py` has the calls."""

import pytest

from carteiro.worker.tools.interface import ToolFailed
from carteiro.worker.tools.topic_tool import read_answer


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b'{"result": "shipped"}', "shipped"),
        (b'{"result": {"state": "shipped"}}', '{"state": "shipped"}'),
        (b'{"result": null}', "null"),
        (b'{"state": "shipped"}', '{"state": "shipped"}'),
        (b'{"error": null, "result": 3}', "3"),
        (b'"shipped"', "shipped"),
        (b"shipped", "shipped"),
        (b"\xff", "\ufffd"),
        (b"", ""),
        (b"[" * 10_000, "[" * 10_000),
    ],
)
def test_any_answer_is_a_result(value: bytes, text: str) -> None:
    assert read_answer(value) == text


@pytest.mark.parametrize(("value", "told"), [(b'{"error": "no order 7"}', "no order 7"), (b'{"error": ""}', "failed")])
def test_error_is_told(value: bytes, told: str) -> None:
    with pytest.raises(ToolFailed, match=told):
        read_answer(value)
