"""Checks of size and type."""

from collections.abc import AsyncIterator

import pytest

from carteiro.references.body import Body, read_text
from carteiro.references.errors import ReferenceRefused


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 100


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "text/html; charset=utf-8",
        'TEXT/markdown; Charset="UTF-8"',
        "application/json",
        "application/ld+json",
        "binary/octet-stream",
        "application/octet-stream",
        "text/plain; charset=us-ascii",
    ],
)
async def test_text_is_read(content_type: str | None) -> None:
    body = Body(chunks(b"Ol\xc3", b"\xa1!"), 5, content_type)
    assert await read_text(body, 5) == "Olá!"


async def test_byte_order_mark_is_not_part_of_the_text() -> None:
    assert await read_text(Body(chunks(b"\xef\xbb\xbfOl\xc3\xa1")), 100) == "Olá"


@pytest.mark.parametrize(
    ("content_type", "encoding", "reason"),
    [
        ("image/png", None, "is of type 'image/png'"),
        ("application/pdf", None, "is of type 'application/pdf'"),
        ("x" * 500, None, "is of type 'xxx"),
        ("text/plain; charset=iso-8859-1", None, "character set 'iso-8859-1'"),
        ("text/plain", "gzip", "is compressed"),
        ("text/plain", "br", "is compressed"),
    ],
)
async def test_other_content_is_refused_before_it_is_read(content_type: str, encoding: str | None, reason: str) -> None:
    with pytest.raises(ReferenceRefused) as caught:
        await read_text(Body(endless(), None, content_type, encoding), 1000)
    assert reason in caught.value.reason
    assert len(caught.value.reason) < 200


@pytest.mark.parametrize("value", [b"\xff\xfe\x00", b"\x1f\x8b\x08\x00", "Olá".encode("latin-1"), b"\xed\xa0\x80"])
async def test_bytes_that_are_no_utf_8_are_refused(value: bytes) -> None:
    with pytest.raises(ReferenceRefused, match="is not text in UTF-8"):
        await read_text(Body(chunks(value)), 1000)


@pytest.mark.parametrize("announced", [None, 5, 1001])
async def test_more_bytes_than_the_limit_are_refused_whatever_is_announced(announced: int | None) -> None:
    with pytest.raises(ReferenceRefused) as caught:
        await read_text(Body(endless(), announced), 1000)
    assert caught.value.is_too_large
