"""The answer is shown while it is written, and thinking is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.answer_stream import AnswerStream
from carteiro.models.reasoning import ReasoningState
from carteiro.models.reasoning_split import ReasoningSplit, split_reasoning
from carteiro.models.stop_sequences import truncate_at_stop


class TextSink:
    """The text that was shown and not revoked."""

    def __init__(self) -> None:
        self.text = ""
        self.restarts = 0

    def __call__(self, text: str) -> None:
        assert text
        self.text += text

    def restart(self) -> None:
        self.text = ""
        self.restarts += 1


PARTS = [
    *("<think>", "</think>", "<thinking>", "</thinking>", "[THINK]", "[/THINK]", "</reasoning>", "analysis"),
    *("assistantfinal", "<|channel|>analysis<|message|>", "<|start|>assistant<|channel|>final<|message|>", "<|end|>"),
    *(
        "<|return|>",
        "<|message|>",
        "STOP",
        "`",
        '"',
        "'",
        "```",
        "\n",
        " ",
        "{",
        "A",
        "a",
        "</",
        "<",
        ">",
        "\ufeff",
        "ſ",
        "İ",
    ),
]


@given(
    st.lists(st.sampled_from(PARTS), max_size=12).map("".join),
    st.sampled_from(ReasoningState),
    st.booleans(),
    st.data(),
)
def test_chunks_of_any_size_give_the_same_as_the_whole(
    text: str, beginning: ReasoningState, cut: bool, data: st.DataObject
) -> None:
    sink = TextSink()
    stream = AnswerStream(["STOP"], sink, beginning)
    rest = text
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        stream.add(rest[:size])
        rest = rest[size:]
    stream.end(cut=cut)
    whole = split_reasoning(text, beginning, cut=cut)
    assert sink.text == truncate_at_stop(whole.answer, ["STOP"])[0]
    assert stream.reasoning.reasoning == whole.reasoning
    assert stream.reasoning.unfinished == whole.unfinished


@pytest.mark.parametrize("first", ["ST", "STOP", "STOP</think"])
def test_stop_text_in_revoked_thinking_does_not_count(first: str) -> None:
    whole, sink = "STOP</think>Lisbon.", TextSink()
    stream = AnswerStream(["STOP"], sink)
    stream.add(first)
    stream.add(whole.removeprefix(first))
    stream.end()
    assert sink.text == split_reasoning(whole).answer == "Lisbon."


def test_last_mark_after_a_quote_gives_the_same_for_whole_and_chunks() -> None:
    sink = TextSink()
    stream = AnswerStream([], sink)
    stream.add('"</reasoning>')
    stream.end()
    assert split_reasoning('"</reasoning>') == ReasoningSplit("", '"', unfinished=False)
    assert (sink.text, stream.reasoning.reasoning) == ("", '"')


def test_thinking_is_never_shown_and_the_answer_is_shown_at_once() -> None:
    sink = TextSink()
    stream = AnswerStream([], sink)
    shown = []
    for piece in ("<th", "ink>H", "m.</thi", "nk>", "\n\n", "Lis", "bon."):
        stream.add(piece)
        shown.append(sink.text)
    assert shown == ["", "", "", "", "", "Lis", "Lisbon."]


def test_shown_thinking_is_revoked() -> None:
    sink = TextSink()
    stream = AnswerStream(["Hm"], sink)
    for piece in ("Oh. Hm, a capital", ".\n</think>\n", "\nLisbon."):
        stream.add(piece)
    stream.end()
    assert (sink.text, sink.restarts) == ("Lisbon.", 1)
