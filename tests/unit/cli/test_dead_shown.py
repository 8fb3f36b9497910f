"""How dead letters are shown."""

import json

import pytest

from carteiro.cli.dead.letter import shown
from carteiro.cli.dead.listing import as_json, column_widths, print_letters, row
from carteiro.cli.dead.text import safe_bytes, safe_value, utc_of
from carteiro.wire.dead_letter import DeadLetter, read_dead_letter
from tests.unit.wire.record import FakeRecord

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
def test_nothing_reaches_the_terminal_but_what_prints(value):
    letter = hostile(value)
    lines = [*shown(letter, "waiting"), *row(letter, "waiting").cells]
    assert all(line.isprintable() for line in lines), lines
    assert json.loads(json.dumps(as_json(letter, "chat", "waiting")))["reason"] == HOSTILE


def test_brackets_are_no_markup(capsys):
    print_letters([row(hostile(b""), "waiting")])
    assert "[bold]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("room", "widths"), [(250, (36, 90)), (160, (36, 37)), (140, (29, 24)), (120, (12, 24)), (60, (12, 24))]
)
def test_on_a_narrow_terminal_the_reason_gives_way_and_the_letters_id_never(room, widths):
    cells = ("llm.chat.dead/0/17", "2026-01-01 00:00", "model_unavailable", "5", "0", "waiting", "c" * 36, "r" * 90)
    *others, correlation, reason = column_widths([cells], room)
    assert others == [18, 16, 17, 5, 8, 7]
    assert (correlation, reason) == widths


def test_a_letter_as_it_is_shown():
    letter = read_dead_letter(FakeRecord(topic="llm.chat.dead", headers=HEADERS[1:4], value='{"text": "Olá"}'.encode()))
    text = "\n".join(shown(letter, "redriven"))
    assert text.startswith("llm.chat.dead/2/17\n  given up     2026-01-01 00:00:00Z\n  code         -\n")
    assert "  request      llm.chat.requests/1/5\n" in text
    assert "  correlation  llm.chat.requests/1/5\n" in text
    assert "  kafka_dlt-original-partition 0x00000001\n" in text
    assert text.endswith('value, 16 bytes, JSON\n  {\n    "text": "Olá"\n  }')


def test_bytes_are_text_where_they_are_text():
    assert safe_bytes("Olá".encode()) == "Olá"
    assert safe_bytes(b"a\x1bb") == "a\\x1bb"
    assert safe_bytes(b"\0\0\0\1") == "0x00000001"
    assert safe_bytes(b"\xff") == "0xff"


def test_values_of_each_kind():
    assert safe_value(b'{"a":[]}') == ("JSON", '{\n  "a": []\n}')
    assert safe_value(b"one\r\ntwo\t.") == ("not JSON", "one\ntwo\\t.")
    assert safe_value(b"\xff\x00\x01\x02\x03") == ("not UTF-8", "ff 00010203")
    assert safe_value(b"[" * 100_000)[0] == "not JSON"


def test_a_timestamp_that_no_calendar_has_is_a_number():
    assert utc_of(1_767_225_600_000) == "2026-01-01 00:00:00Z"
    assert utc_of(2**62) == str(2**62)


def test_a_long_reason_is_shortened_in_the_table():
    letter = read_dead_letter(FakeRecord(headers=(("kafka_dlt-exception-message", b"so " * 500),)))
    assert len(row(letter, "waiting").cells[-1]) == 100
