"""The output of dead letters on a terminal."""

import json

import pytest

from carteiro.cli.dead.show import detail_lines
from carteiro.cli.dead.table import dead_letter_row, json_summary
from carteiro.wire.dead_letter import DeadLetter, read_dead_letter
from tests.unit.wire.fake_record import FakeRecord

HOSTILE = "\x1b[2J\x9b31m\u202e[bold]\r\n"
HEADERS = (
    ("correlation_id", HOSTILE.encode()),
    ("kafka_dlt-original-topic", b"llm.chat.requests"),
    ("kafka_dlt-original-partition", b"\0\0\0\1"),
    ("kafka_dlt-original-offset", b"\0\0\0\0\0\0\0\5"),
    ("kafka_dlt-original-timestamp", b"\x7f" + b"\xff" * 7),
    ("kafka_dlt-exception-message", HOSTILE.encode()),
    ("carteiro_error_code", b"internal"),
    ("carteiro_tries", b"1"),
    (HOSTILE, b"\xff"),
)


def hostile(value: bytes | None) -> DeadLetter:
    return read_dead_letter(
        FakeRecord(topic="llm.chat.dead", partition=0, offset=9, key=HOSTILE.encode(), value=value, headers=HEADERS)
    )


@pytest.mark.parametrize(
    "value",
    [HOSTILE.encode(), json.dumps({HOSTILE: [HOSTILE, "\ud800"]}).encode(), b'{"a": "\x1b"}', b"\xff\0", b"", None],
)
def test_only_printable_characters_reach_the_terminal(value: bytes | None) -> None:
    letter = hostile(value)
    lines = [*detail_lines(letter, "waiting"), *dead_letter_row(letter, "waiting").cells]
    assert all(line.isprintable() for line in lines), lines
    assert json.loads(json.dumps(json_summary(letter, "chat", "waiting")))["reason"] == HOSTILE


def test_letter_is_shown_with_all_its_fields() -> None:
    letter = read_dead_letter(FakeRecord(topic="llm.chat.dead", headers=HEADERS[1:4], value='{"text": "Olá"}'.encode()))
    text = "\n".join(detail_lines(letter, "redriven"))
    assert text.startswith("llm.chat.dead/2/17\n  failed at    2026-01-01 00:00:00Z\n  code         -\n")
    assert "  request      llm.chat.requests/1/5\n" in text
    assert "  correlation  llm.chat.requests/1/5\n" in text
    assert "  kafka_dlt-original-partition 0x00000001\n" in text
    assert text.endswith('value, 16 bytes, JSON\n  {\n    "text": "Olá"\n  }')
