from typing import Any

import pytest

from carteiro.registry.json_values import MAX_JSON_CHARACTERS, check_json_size, decimal_text, finite
from carteiro.wire.event_format import EventUnreadable

MEGABYTE = "x" * 2**20


@pytest.mark.parametrize(
    "document",
    [
        {"a": [MEGABYTE] * 17},
        {"a": [{MEGABYTE: 1}] * 17},
        {"a": [0] * (MAX_JSON_CHARACTERS + 1)},
    ],
    ids=["texts", "names", "numbers"],
)
def test_event_above_the_limit_is_unreadable(document: Any) -> None:
    with pytest.raises(EventUnreadable, match="more than 16,777,216 characters"):
        check_json_size(document)


def test_event_of_any_depth_below_the_limit_is_readable() -> None:
    document: Any = {"a": MEGABYTE}
    for _ in range(100_000):
        document = [document]
    check_json_size(document)


def test_number_that_json_has_not_is_its_name() -> None:
    assert [finite(1.5), finite(float("nan")), finite(float("-inf"))] == [1.5, "NaN", "-Infinity"]


@pytest.mark.parametrize(
    ("raw", "scale", "text"),
    [(b"\xfb\x1e", 2, "-12.50"), (b"", 0, "0"), (b"\x01" * 513, 0, None), (b"\x01", 1001, None), (b"\x01", -1, None)],
)
def test_decimal_is_its_digits_or_base64_if_it_is_too_long(raw: bytes, scale: int, text: str | None) -> None:
    assert decimal_text(raw, scale) == text or (text is None and "." not in decimal_text(raw, scale))
