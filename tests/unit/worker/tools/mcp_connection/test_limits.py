import json

import pytest

from carteiro.worker.tools.mcp_connection.limits import has_many_values, repaired


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (r"\ud83d\ude00", r"\ud83d\ude00"),
        (r"\ud83d \ude00", r"\ufffd \ufffd"),
        (r"\\ud83d", r"\\ud83d"),
        (r"\\\ud83d", r"\\\ufffd"),
        (r"\uD83D\u0041", r"\ufffd\u0041"),
        (r"\ud83d\ud83d\ude00", r"\ufffd\ud83d\ude00"),
        (r"\n\"", r"\n\""),
        (r"\u12", r"\u12"),
    ],
)
def test_halves_of_characters_are_replaced(text: str, read: str) -> None:
    assert repaired(text.encode()) == read.encode()
    assert repaired(text.encode() + b"\xff") == read.encode() + "\ufffd".encode()


def test_values_are_counted_outside_of_strings() -> None:
    text = json.dumps({"text": '[{"a": "\\",,' * 50_000})
    assert not has_many_values(text.encode())
    assert has_many_values(json.dumps([text, [[]] * 60_000]).encode())
    assert not has_many_values(b'"' + b"," * 200_000 + b'"')
