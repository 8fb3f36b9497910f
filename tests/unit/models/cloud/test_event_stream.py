"""Server-sent events in the forms of real servers, cut into chunks at any byte."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.cloud.event_stream import MAX_EVENT_BYTES, Event, EventDecoder
from carteiro.models.cloud.message_content import IncrementalTextDecoder
from carteiro.models.cloud.response_body import BodyTooLarge
from carteiro.text.surrogates import repair_unicode


def decoded(*chunks: bytes) -> list[Event]:
    decoder = EventDecoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return [*events, *decoder.end()]


def data(*chunks: bytes) -> list[object]:
    return [event.data for event in decoded(*chunks) if not event.last]


STREAMS = {
    "plain": b'data: {"n": 1}\n\ndata: {"n": 2}\n\ndata: [DONE]\n\n',
    "no space": b'data:{"n": 1}\n\ndata:{"n": 2}\n\ndata:[DONE]\n\n',
    "CRLF": b'data: {"n": 1}\r\n\r\ndata: {"n": 2}\r\n\r\ndata: [DONE]\r\n\r\n',
    "CR": b'data: {"n": 1}\r\rdata: {"n": 2}\r\r',
    "mixed line ends": b'data: {"n": 1}\r\n\ndata: {"n": 2}\r\r\n',
    "no blank line at the end": b'data: {"n": 1}\n\ndata: {"n": 2}',
    "no blank lines": b'data: {"n": 1}\ndata: {"n": 2}\ndata: [DONE]\n',
    "retry": b'retry: 3000\n\nretry: x\n\ndata: {"n": 1}\n\nid: 7\ndata: {"n": 2}\n\n',
    "comments": b': hello\n\n: OPENROUTER PROCESSING\n\ndata: {"n": 1}\n: between\n\n:\ndata: {"n": 2}\n\n',
    "empty data": b'data:\n\ndata: \n\ndata\n\ndata: {"n": 1}\n\ndata: ""\n\ndata: null\n\ndata: {"n": 2}\n\n',
    "several lines": b'data: {"n":\ndata: 1}\n\ndata: {\ndata: "n": 2\ndata: }\n\n',
    "byte order mark": b'\xef\xbb\xbfdata: {"n": 1}\n\ndata: {"n": 2}\n\n',
    "no JSON": b'data: {nonsense\n\nwhat is this\n\x00\xff\n\ndata: {"n": 1}\n\ndata: 5\n\ndata: {"n": 2}\n\n<html>\n',
    "JSON on each line": b'{"n": 1}\n{"n": 2}\n',
    "JSON on each line, no end": b'{"n": 1}\n\n{"n": 2}',
    "a list": b'[{"n": 1},\n{"n": 2}]',
    "a pretty list": b'[\n  {\n    "n": 1\n  },\n  {\n    "n": 2\n  }\n]\n',
    "JSON between events": b'data: {"n": 1}\n\n{"n": 2}\n\n',
    "control characters": b'data: {"n": 1, "text": "a\tb"}\n\ndata: {"n": 2}\n\n',
    "not a number": b'data: {"n": 1, "logprob": -Infinity, "other": NaN}\n\ndata: {"n": 2}\n\n',
}


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_stream_has_its_events_in_chunks_of_any_size(stream: bytes) -> None:
    for size in range(1, len(stream) + 1):
        chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert [each["n"] for each in data(*chunks)] == [1, 2]


@given(st.lists(st.sampled_from([*STREAMS.values(), b"\r", b"\n", b"data: x\n\n"]), max_size=4), st.data())
def test_chunks_make_no_difference(streams: list[bytes], drawn: st.DataObject) -> None:
    rest = whole = b"".join(streams)
    chunks = []
    while rest:
        size = drawn.draw(st.integers(1, len(rest)))
        chunks.append(rest[:size])
        rest = rest[size:]
    assert repr(decoded(*chunks)) == repr(decoded(whole))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_to_the_end(stream: bytes) -> None:
    decoded(stream)


def test_names_of_events() -> None:
    ping, named, typed = decoded(
        b'event: ping\ndata: {}\n\nevent: response.completed\ndata: {"n": 1}\n\nevent: x\ndata: {"type": "y"}\n\n'
    )
    assert (ping.name, ping.data) == ("ping", {"type": "ping"})
    assert named.data == {"type": "response.completed", "n": 1}
    assert typed.data == {"type": "y"}


@pytest.mark.parametrize("end", [b"data: [DONE]", b"data: [done]", b'data: "[DONE]"', b"data:[DONE]", b"[DONE]"])
def test_end_of_a_stream(end: bytes) -> None:
    assert [event.last for event in decoded(b'data: {"n": 1}\n\n' + end + b"\n\n")] == [False, True]


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (b'{"error": {"message": "overloaded"}}', {"message": "overloaded"}),
        (b'{"message": "overloaded", "code": 502}', {"message": "overloaded", "code": 502}),
        (b'"overloaded"', {"message": "overloaded"}),
        (b"overloaded", {"message": "overloaded"}),
    ],
)
def test_event_named_error_has_an_error(value: bytes, error: object) -> None:
    assert [event.data["error"] for event in decoded(b"event: error\ndata: " + value + b"\n\n")] == [error]


@pytest.mark.parametrize("start", [b"", b"data: ", b'{"a": "', b": "])
def test_line_without_an_end_is_not_kept_for_ever(start: bytes) -> None:
    with pytest.raises(BodyTooLarge, match="MiB"):
        decoded(*[start + b"x" * 2**20] * (2 + MAX_EVENT_BYTES // 2**20))


def test_event_without_an_end_is_not_kept_for_ever() -> None:
    with pytest.raises(BodyTooLarge):
        decoded(*[b"data: " + b"x" * 2**20 + b"\n"] * (2 + MAX_EVENT_BYTES // 2**20))


def test_deep_nesting_and_long_numbers_are_no_fault() -> None:
    assert data(b"data: " + b"[" * 100_000 + b"\n\n") == []
    (event,) = data(b'data: {"n": 1' + b"0" * 10_000 + b"}\n\n")
    assert event == {"n": float("inf")}


TEXT = "Olá \U0001f600! \u20ac \U0001f1f5\U0001f1f9 \u2028end"


def test_text_is_whole_however_its_characters_are_cut() -> None:
    halves = TEXT.encode("utf-16-be")
    units = [int.from_bytes(halves[at : at + 2]) for at in range(0, len(halves), 2)]
    escaped = [json.loads(f'"\\u{unit:04x}"') for unit in units]
    bytes_alone = [bytes([byte]).decode(errors="surrogateescape") for byte in TEXT.encode()]
    for pieces in (escaped, bytes_alone, list(TEXT)):
        joined = IncrementalTextDecoder()
        shown = [*(joined.add(piece) for piece in pieces), joined.end()]
        assert "".join(shown) == repair_unicode("".join(pieces)) == TEXT
        assert all(each.isprintable() or each == "\u2028" for each in shown)


@given(st.lists(st.text(st.characters(), max_size=3) | st.sampled_from(["\ud83d", "\ude00", "\udcf0\udc9f", "\udc98"])))
def test_text_in_pieces_can_always_be_written_as_utf8(pieces: list[str]) -> None:
    joined = IncrementalTextDecoder()
    "".join([*(joined.add(piece) for piece in pieces), joined.end()]).encode()
    repair_unicode("".join(pieces)).encode()
