"""Parts of Kafka records."""

import pytest

from carteiro.wire.record import last_header, record_id, record_size, value_size
from tests.unit.wire.fake_record import FakeRecord


def test_id_is_the_place_of_the_record() -> None:
    assert record_id(FakeRecord(topic="a.b", partition=3, offset=12)) == "a.b/3/12"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [((), None), ((("x", b"1"),), None), ((("a", b"1"), ("x", b"0"), ("a", b"2")), b"2"), ((("a", b""),), b"")],
)
def test_last_header_of_a_name_counts(headers: tuple[tuple[str, bytes], ...], expected: bytes | None) -> None:
    assert last_header(headers, "a") == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (FakeRecord(value=None), 0),
        (FakeRecord(value=b"abc", key=b"k", headers=(("name", b"12"),)), 3 + 1 + 4 + 2),
        (FakeRecord(value=b"", headers=(("name", None),)), 4),  # type: ignore[arg-type]
    ],
)
def test_size_is_that_of_key_value_and_headers(record: FakeRecord, expected: int) -> None:
    assert record_size(record) == expected


def test_value_that_was_left_out_keeps_its_size() -> None:
    class LargeRecord(FakeRecord):
        serialized_value_size = 5_000_000

    assert value_size(LargeRecord(value=None)) == 5_000_000
    assert value_size(FakeRecord(value=b"abc")) == 3
    assert value_size(FakeRecord(value=None)) == 0
