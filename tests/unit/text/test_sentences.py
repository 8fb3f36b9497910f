"""The end of a sentence, with or without spaces between words."""

import pytest

from carteiro.text.sentences import is_complete, split_sentences


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One is here. Is two? Three!", ["One is here.", "Is two?", "Three!"]),
        (
            "  He said “No.” Then he left… \n\nA title\nand more",
            ["He said “No.”", "Then he left…", "A title", "and more"],
        ),
        ("これは文です。「そうです。」何？！それだけ", ["これは文です。", "「そうです。」", "何？！", "それだけ"]),
        ("3.14 is no end, nor is e.g.this", ["3.14 is no end, nor is e.g.this"]),
        (" \n ", []),
    ],
)
def test_sentences_are_at_their_offsets(text: str, found: list[str]) -> None:
    assert [each.text for each in split_sentences(text)] == found
    assert [text[each.start : each.end] for each in split_sentences(text)] == found


@pytest.mark.parametrize("text", ["So.", "So?", "So…", "“So.”", "(So!)", "そう。", "「そう。」"])
def test_sentence_with_its_end_is_whole(text: str) -> None:
    assert is_complete(text)


@pytest.mark.parametrize("text", ["So", "So,", "“So.” he", "“So”", "そう", ""])
def test_sentence_without_its_end_was_cut(text: str) -> None:
    assert not is_complete(text)
