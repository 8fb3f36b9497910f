"""The reply of `carteiro ask`: text as it arrives, and what is printed next to it."""

import pytest

from carteiro.cli.ask_exchange import StreamPrinter, print_reply
from carteiro.schemas import OkReply, PartialReply, Timing, Usage
from carteiro.schemas.generate import GenerateResult


def piece(text: str, attempt: str = "a", seq: int = 0) -> PartialReply:
    return PartialReply(task="chat", request_id="x/0/0", attempt=attempt, seq=seq, text=text)


@pytest.mark.parametrize(
    ("pieces", "whole", "printed"),
    [
        ([], "All of it.", "All of it.\n"),
        (["All ", "of it."], "All of it.", "All of it.\n"),
        (["All "], "All of it.", "All of it.\n"),
        (["All of it.\n\n"], "All of it.", "All of it.\n\n\n"),
        (["Other "], "All of it.", "Other \nAll of it.\n"),
    ],
)
def test_streamed_text_ends_as_the_whole_reply(capsys, pieces, whole, printed):
    text = StreamPrinter()
    for each in pieces:
        text.write(piece(each))
    text.finish(whole)
    text.end()
    assert capsys.readouterr().out == printed


def test_next_attempt_voids_the_printed_text(capsys):
    text = StreamPrinter()
    text.write(piece("Half"))
    text.write(piece("Whole", "b"))
    text.finish("Whole.")
    output = capsys.readouterr()
    assert output.out == "Half\nWhole.\n"
    assert "begun again" in output.err


@pytest.mark.parametrize(
    ("thought", "output"), [("A capital ...", "(thought: A capital ...)"), (None, "(no reasoning: ")]
)
def test_requested_reasoning_is_shown_next_to_the_text(capsys, thought, output):
    result = GenerateResult(text="Lisbon.", reasoning=thought)
    reply = OkReply(
        task="generate",
        request_id="llm.generate.requests/0/0",
        result=result,
        model="test:model",
        usage=Usage(),
        timing=Timing(queue_ms=0, work_ms=0),
    )
    print_reply(reply, StreamPrinter(), as_json=False, reasoning=True)
    printed = capsys.readouterr()
    assert printed.out == "Lisbon.\n"
    assert printed.err.startswith(output)
