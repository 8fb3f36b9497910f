"""The table of dead letters."""

import pytest

from carteiro.cli.dead.table import column_widths, dead_letter_row, print_dead_letters
from carteiro.wire.dead_letter import read_dead_letter
from tests.unit.wire.fake_record import FakeRecord


def test_brackets_are_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    letter = FakeRecord(topic="llm.chat.dead", key=b"", value=b"", headers=(("correlation_id", b"[bold]"),))
    print_dead_letters([dead_letter_row(read_dead_letter(letter), "waiting")])
    assert "[bold]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("room", "widths"), [(250, (36, 90)), (160, (36, 37)), (140, (29, 24)), (120, (12, 24)), (60, (12, 24))]
)
def test_narrow_terminal_shortens_the_reason_but_not_the_id(room: int, widths: tuple[int, int]) -> None:
    cells = ("llm.chat.dead/0/17", "2026-01-01 00:00", "model_unavailable", "5", "0", "waiting", "c" * 36, "r" * 90)
    *others, correlation, reason = column_widths([cells], room)
    assert others == [18, 16, 17, 5, 8, 7]
    assert (correlation, reason) == widths


def test_long_reason_is_shortened_in_the_table() -> None:
    letter = read_dead_letter(FakeRecord(headers=(("kafka_dlt-exception-message", b"so " * 500),)))
    assert len(dead_letter_row(letter, "waiting").cells[-1]) == 100
