"""Untrusted text on a terminal."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from carteiro.cli.terminal_escape import (
    escape,
    escape_bytes,
    escape_lines,
    format_timestamp,
    format_utc,
    render_value,
)


@pytest.mark.parametrize(
    ("text", "escaped"), [("Olá", "Olá"), ("\x1b[2J", "\\x1b[2J"), ("a\r\nb", "a\\r\\nb"), ("\u202e", "\\u202e")]
)
def test_unprintable_characters_are_escaped(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_lines_stay_lines() -> None:
    assert escape_lines("a\r\nb\tc\n") == "a\nb\\tc\n"


def test_time_is_shown_in_utc() -> None:
    assert format_utc(datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))) == "2025-12-31 23:00:00Z"
    assert format_utc(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01 00:00:00Z"


def test_text_bytes_are_shown_as_text() -> None:
    assert escape_bytes("Olá".encode()) == "Olá"
    assert escape_bytes(b"a\x1bb") == "a\\x1bb"
    assert escape_bytes(b"\0\0\0\1") == "0x00000001"
    assert escape_bytes(b"\xff") == "0xff"


def test_values_of_each_kind_are_shown() -> None:
    assert render_value(b'{"a":[]}') == ("JSON", '{\n  "a": []\n}')
    assert render_value(b"one\r\ntwo\t.") == ("not JSON", "one\ntwo\\t.")
    assert render_value(b"\xff\x00\x01\x02\x03") == ("not UTF-8", "ff 00010203")
    assert render_value(b"[" * 100_000)[0] == "not JSON"


def test_timestamp_beyond_the_calendar_is_shown_as_a_number() -> None:
    assert format_timestamp(1_767_225_600_000) == "2026-01-01 00:00:00Z"
    assert format_timestamp(2**62) == str(2**62)
