"""Addresses of texts: one form for all spellings of a place, and none for what could mean another."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from carteiro.references.address import Address, parse_address, parse_prefix
from carteiro.references.errors import AddressInvalid


@pytest.mark.parametrize(
    ("uri", "place", "key"),
    [
        ("s3://letters/in/a.txt", "s3://letters", "in/a.txt"),
        ("S3://letters/in/a.txt", "s3://letters", "in/a.txt"),
        ("s3://letters/a b+ü%20?x#y;z.txt", "s3://letters", "a b+ü%20?x#y;z.txt"),
        ("gs://letters/a", "gs://letters", "a"),
        ("az://letters/a", "az://letters", "a"),
        ("https://example.com/a/b.txt", "https://example.com", "a/b.txt"),
        ("HTTPS://EXAMPLE.com:443/a", "https://example.com", "a"),
        ("https://example.com:8443/a", "https://example.com:8443", "a"),
        ("https://example.com/%61%20b", "https://example.com", "a b"),
        ("https://example.com/a/?q=1", "https://example.com", "a"),
        ("https://[2606:4700:0:0:0:0:0:1111]:443/a", "https://[2606:4700::1111]", "a"),
        ("https://8.8.8.8/a", "https://8.8.8.8", "a"),
        ("file:///data/a%20b.txt", "file://", "data/a b.txt"),
    ],
)
def test_spellings_of_one_place_are_one_address(uri: str, place: str, key: str) -> None:
    address = parse_address(uri)
    assert (address.place, address.key) == (place, key)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "a.txt",
        "/etc/passwd",
        "s3:letters/a",
        "s3://",
        "s3://letters",
        "s3://letters/",
        "s3:///a",
        "s3://letters/../other/a",
        "s3://letters/in/../../a",
        "s3://letters/./a",
        "s3://letters//a",
        "s3://letters/in/",
        "s3://letters/" + "é" * 513,
        "s3://user@letters/a",
        "s3://let ters/a",
        "s3://letters/a\n",
        "s3://letters/a\x00b",
        " s3://letters/a",
        "http://example.com/a",
        "ftp://example.com/a",
        "gopher://example.com/a",
        "data:text/plain,a",
        "https:///a",
        "https://example.com",
        "https://user@example.com/a",
        "https://user:password@example.com/a",
        "https://example.com@evil.example/a",
        "https://example.com:0/a",
        "https://example.com:65536/a",
        "https://example.com:443:80/a",
        "https://example.com:/a",
        "https://example..com/a",
        "https://example.com./a",
        "https://exämple.com/a",
        "https://example.com\\@evil.example/a",
        "https://example.com%2eevil.example/a",
        "https://example.com#@evil.example/a",
        "https://example.com/a#part",
        "https://example.com/a b",
        "https://example.com/a/../b",
        "https://example.com/a/%2e%2e/b",
        "https://example.com/a/%2E./b",
        "https://example.com/a/..;x/b",
        "https://example.com/a/%252e%252e/b",
        "https://example.com/a%2fb",
        "https://example.com/a%5cb",
        "https://example.com/a\\b",
        "https://example.com//a",
        "https://example.com/%00",
        "https://example.com/%zz",
        "https://example.com/%ff",
        "https://example.com/%0d%0aHost:%20evil",
        "https://example.com/a?b\r\nHost: evil",
        "https://0x7f.1/a",
        "https://0x7f000001/a",
        "https://2130706433/a",
        "https://0177.0.0.1/a",
        "https://127.1/a",
        "https://127.0.0.1.5/a",
        "https://[::1/a",
        "https://[::1%25lo]/a",
        "https://[fe80::1%eth0]/a",
        "https://[127.0.0.1]/a",
        "file://",
        "file:///",
        "file://host/a",
        "file://localhost/a",
        "file:a",
        "file:///data/../etc/passwd",
        "file:///data/%2e%2e/etc/passwd",
        "file:///data/%2fetc",
        "file:///data/a%00.txt",
        "file:///data/a?b",
        "file:///data/a#b",
    ],
)
def test_ambiguous_text_is_no_address(uri: str) -> None:
    with pytest.raises(AddressInvalid):
        parse_address(uri)


PIECES = [
    "a",
    "..",
    ".",
    "/",
    "//",
    "%2e",
    "%2f",
    "%25",
    ";",
    "?",
    "#",
    "@",
    ":",
    "\\",
    "[",
    "]",
    "::1",
    "é",
    " ",
    "\0",
]


@settings(max_examples=500)
@given(
    st.sampled_from(["s3://", "https://", "file:///", "https://example.com/", "s3://letters/", "file:///data/", ""]),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=8).map("".join),
)
def test_any_text_is_an_address_without_a_way_up_or_no_address(start: str, rest: str) -> None:
    try:
        address = parse_address(start + rest)
    except AddressInvalid:
        return
    assert address.segments
    assert not {"", ".", ".."} & set(address.segments)
    if address.scheme == "https":
        url = URL(f"{address.place}{address.target}", encoded=True)
        assert url.raw_authority == address.authority, "the library connects to the same host"
        assert url.user is None
        assert [each for each in url.path.split("/") if each] == list(address.segments)


def test_query_is_kept_for_the_request_and_shown_nowhere() -> None:
    address = parse_address("https://example.com/a%20b?X-Signature=secret")
    assert address.target == "/a%20b?X-Signature=secret"
    assert "secret" not in repr(address)


@pytest.mark.parametrize("uri", ["s3://letters", "s3://letters/", "https://example.com", "https://example.com/"])
def test_prefix_may_be_a_whole_place(uri: str) -> None:
    assert parse_prefix(uri).segments == ()


@pytest.mark.parametrize("uri", ["file:///", "s3://", "https://example.com/a?b=c", "s3://letters//"])
def test_prefix_that_permits_too_much_or_nothing_is_invalid(uri: str) -> None:
    with pytest.raises(AddressInvalid):
        parse_prefix(uri)


def test_addresses_contain_what_is_below_them() -> None:
    folder = Address("s3", "letters", ("in",))
    assert folder.contains(Address("s3", "letters", ("in", "a")))
    assert folder.contains(folder)
    assert not folder.contains(Address("s3", "letters", ("in2", "a")))
    assert not folder.contains(Address("s3", "letters", ()))
    assert not folder.contains(Address("gs", "letters", ("in", "a")))
    assert not folder.contains(Address("s3", "Letters", ("in", "a")))
