"""Where a sentence ends, with or without spaces between words."""

import pytest

from carteiro.models.sentences import sentences, whole


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
def test_sentences_stand_where_they_say(text: str, found: list[str]) -> None:
    assert [each.text for each in sentences(text)] == found
    assert [text[each.start : each.end] for each in sentences(text)] == found


@pytest.mark.parametrize("text", ["So.", "So?", "So…", "“So.”", "(So!)", "そう。", "「そう。」"])
def test_a_sentence_with_its_end_is_whole(text: str) -> None:
    assert whole(text)


@pytest.mark.parametrize("text", ["So", "So,", "“So.” he", "“So”", "そう", ""])
def test_one_without_was_cut(text: str) -> None:
    assert not whole(text)
