"""The list of addresses that may be read."""

import pytest

from carteiro.references.address import parse_address
from carteiro.references.allow_list import AllowList, parse_allow_list
from carteiro.references.errors import AddressInvalid

ALLOWED = parse_allow_list(
    "s3://letters/in, s3://archive/, https://Example.com:443/public/ , https://127.0.0.1:8443, file:///data/texts"
)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://letters/in/a.txt",
        "s3://letters/in",
        "s3://archive/2026/a.txt",
        "https://example.com/public/a?signature=x",
        "https://EXAMPLE.COM/%70ublic/a",
        "https://127.0.0.1:8443/a",
        "file:///data/texts/a.txt",
    ],
)
def test_address_below_an_entry_is_found(uri: str) -> None:
    assert ALLOWED.find(parse_address(uri)) is not None


@pytest.mark.parametrize(
    "uri",
    [
        "s3://letters/input/a.txt",
        "s3://letters/a.txt",
        "s3://letters2/in/a.txt",
        "s3://archive.evil/a.txt",
        "gs://letters/in/a.txt",
        "https://example.com/publicity/a",
        "https://example.com/a",
        "https://example.com.evil.example/public/a",
        "https://evil.example/example.com/public/a",
        "https://example.com:8443/public/a",
        "https://sub.example.com/public/a",
        "https://127.0.0.1/a",
        "https://[::ffff:127.0.0.1]:8443/a",
        "file:///data/texts2/a.txt",
        "file:///data/a.txt",
    ],
)
def test_address_beside_the_entries_is_not_found(uri: str) -> None:
    assert ALLOWED.find(parse_address(uri)) is None


def test_empty_list_permits_nothing() -> None:
    assert parse_allow_list(" , ") == AllowList()
    assert AllowList().find(parse_address("s3://letters/a")) is None


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("http://example.com", "is not encrypted"),
        ("https://user:hunter2@example.com", "has a user or a password in it"),
    ],
)
def test_wrong_entry_is_named_by_its_number(entry: str, reason: str) -> None:
    with pytest.raises(AddressInvalid, match=f"^entry 2 {reason}") as caught:
        parse_allow_list(f"s3://letters, {entry}")
    assert "hunter2" not in str(caught.value)
