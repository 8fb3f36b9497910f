"""The body of an answer: bounded, read leniently, and searched for an error."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.cloud import response_body
from carteiro.models.cloud.response_body import (
    BodyTooLarge,
    IncompleteBody,
    find_error,
    parse_complete_json,
    parse_lenient_json,
    read_body,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


class Body(httpx2.AsyncByteStream):
    """Body that comes in chunks, and breaks at the end if `breaks`."""

    def __init__(self, *chunks: bytes, breaks: bool = False) -> None:
        self.chunks, self.breaks, self.closed = chunks, breaks, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
        if self.breaks:
            raise ConnectionError

    async def aclose(self) -> None:
        self.closed = True


@given(JSON)
def test_json_is_read_as_it_is(value: Any) -> None:
    assert parse_lenient_json("\ufeff \r\n" + json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"a\nb"', "a\nb"),
        ('"\\ud83d"', "\ud83d"),
        ("1" * 301, float("1" * 301)),
        ('{"a": Infinity}', {"a": float("inf")}),
    ],
)
def test_json_that_a_strict_parser_rejects_is_read(text: str, value: Any) -> None:
    assert parse_lenient_json(text) == value


@pytest.mark.parametrize("text", ["", "{", "[" * 10**6, "{} {}", "<html>"])
def test_other_text_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_lenient_json(text)


def test_complete_answer_has_no_halves_of_characters() -> None:
    text = r'["\uD83D\ude00", {"\ud800a": "\\ud800 \udfff"}, 1]'
    assert parse_complete_json(text) == ["\U0001f600", {"\ufffda": "\\ud800 \ufffd"}, 1]
    assert parse_complete_json('["\\u00e9"]') == ["\u00e9"]


async def test_whole_body_counts_even_if_the_connection_breaks_after_it() -> None:
    body = Body(b'{"a"', b": 1}", breaks=True)
    assert await read_body(httpx2.Response(200, stream=body)) == b'{"a": 1}'
    assert body.closed


@pytest.mark.parametrize("chunk", [b'{"a": ', b"[1]", b""])
async def test_body_that_breaks_before_its_end_is_incomplete(chunk: bytes) -> None:
    body = Body(chunk, breaks=True)
    with pytest.raises(IncompleteBody):
        await read_body(httpx2.Response(200, stream=body))
    assert body.closed


async def test_body_above_the_limit_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_body, "MAX_BODY_BYTES", 2**20)
    assert len(await read_body(httpx2.Response(200, stream=Body(b"x" * 2**20)))) == 2**20
    with pytest.raises(BodyTooLarge, match="larger than 1 MiB"):
        await read_body(httpx2.Response(200, stream=Body(b"x" * 2**20, b"x")))


@pytest.mark.parametrize(
    ("answer", "is_error"),
    [
        ({"choices": [{"message": {"content": "a"}}]}, False),
        ({"choices": [{"message": {"content": "a"}}], "error": None}, False),
        ({"choices": [{"message": {"content": "a"}}], "error": {"message": "", "code": None}}, False),
        ({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}], "error": {"code": 1}}, False),
        ({"choices": [{"message": {"content": "a"}, "finish_reason": "error"}], "error": {"code": 1}}, True),
        ({"choices": [{"error": {"message": "x"}}]}, True),
        ({"choices": [{"message": {"content": "a"}}], "message": "fine"}, False),
        ({"error": "down"}, True),
        ({"message": "down"}, True),
        ({"detail": [{"loc": [], "msg": "x"}]}, True),
        ({"success": False}, True),
        ({"base_resp": {"status_code": 0, "status_msg": "ok"}}, False),
        ({"base_resp": {"status_code": 1008}}, True),
        ({"type": "response.failed", "response": {"error": {"code": "x"}}}, True),
        ([{"error": {"code": 400}}], True),
        ("{'error': 'down'}", True),
        ("error", False),
        ({}, False),
        (None, False),
    ],
)
def test_error_with_status_200_is_found(answer: Any, is_error: bool) -> None:
    assert (find_error(answer) is not None) is is_error
