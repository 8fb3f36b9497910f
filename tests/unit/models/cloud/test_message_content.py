"""The text, the reasoning and the refusal in a message of any form."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.cloud.message_content import (
    Content,
    IncrementalTextDecoder,
    is_filtered,
    read_message,
    read_parts,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "text", "content", "refusal", "thinking", "parts", "thought", "x"]), inner
        )
    ),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ({"content": "a"}, Content("a")),
        ({"content": None}, Content()),
        ({"content": ""}, Content("")),
        ({"content": [{"type": "text", "text": "a"}, "b", {"text": {"value": "c"}}]}, Content("abc")),
        ({"content": [{"type": "thinking", "thinking": "h"}, {"type": "text", "text": "a"}]}, Content("a", "h")),
        ({"content": [{"thought": True, "text": "h"}, {"text": "a"}]}, Content("a", "h")),
        ({"content": "a", "reasoning": "h", "reasoning_details": [{"text": "h"}]}, Content("a", "h")),
        ({"content": "a", "reasoning_content": "", "thinking": "h"}, Content("a", "h")),
        ({"content": [{"type": "refusal", "refusal": "no"}]}, Content(None, "", "no")),
        ({"content": None, "refusal": "no"}, Content(None, "", "no")),
        ({"content": [{"type": "tool_use", "text": "x"}, {"type": "image_url"}]}, Content()),
        ({"content": {"n": 7}}, Content('{"n": 7}')),
        ("a", Content("a")),
        (7, Content()),
    ],
)
def test_message_is_read_in_each_form(message: Any, content: Content) -> None:
    assert read_message(message) == content


@given(JSON)
def test_any_message_is_read(message: Any) -> None:
    for content in (read_message(message), read_parts(message)):
        assert content.text is None or isinstance(content.text, str)
        assert isinstance(content.reasoning, str)
        assert isinstance(content.refusal, str)


@given(st.lists(st.builds(Content, st.none() | st.text(), st.text(), st.text())))
def test_contents_add_up_in_order(contents: list[Content]) -> None:
    whole = Content()
    for each in contents:
        whole.add(each)
    texts = [each.text for each in contents if each.text is not None]
    assert whole.text == ("".join(texts) if texts else None)
    assert whole.reasoning == "".join(each.reasoning for each in contents)
    assert whole.refusal == "".join(each.refusal for each in contents)


@pytest.mark.parametrize(
    ("results", "filtered"),
    [
        ({"hate": {"filtered": True}}, True),
        ({"hate": {"filtered": False}}, False),
        ([{"content_filter_results": {"jailbreak": {"filtered": True}}}], True),
        ({"blockReason": "SAFETY"}, True),
        ({"blockReason": None}, False),
        ({"filtered": "yes"}, False),
        (None, False),
    ],
)
def test_results_of_filters_are_read(results: Any, filtered: bool) -> None:
    assert is_filtered(results) is filtered


@given(st.text(alphabet=st.characters(min_codepoint=0x80, exclude_categories=["Cs"]), max_size=8), st.data())
def test_characters_that_are_cut_anywhere_are_joined(text: str, data: st.DataObject) -> None:
    """Text with bytes that are not decoded (`surrogateescape`), and text with halves of UTF-16."""
    for source in (text.encode().decode("ascii", "surrogateescape"), _halves(text)):
        decoder, rest, read = IncrementalTextDecoder(), source, ""
        while rest:
            size = data.draw(st.integers(1, len(rest)))
            piece = decoder.add(rest[:size])
            piece.encode()
            read, rest = read + piece, rest[size:]
        assert read + decoder.end() == text


def _halves(text: str) -> str:
    """Return the text with each character beyond the first plane as two halves."""
    data = text.encode("utf-16-le")
    return "".join(chr(int.from_bytes(data[at : at + 2], "little")) for at in range(0, len(data), 2))


def test_second_half_that_looks_like_a_byte_completes_its_pair() -> None:
    decoder = IncrementalTextDecoder()
    assert [decoder.add(each) for each in ("\ud83d", "\udcc8")] == ["", "📈"]
