"""The sentences of passages that may answer a question."""

from carteiro.schemas.collection import Passage
from carteiro.text.questions import parse_question
from services.answer.candidates import PassageParts, find_candidates
from services.answer.material import PassageSpan
from tests.unit.services.word_embedder import WordEmbedder

PASSAGES = (
    Passage("a", "The ferry leaves at nine. It is free.", 500, "Timetable"),
    Passage("b", "", 0, "Empty"),
    Passage("c", "# Fares\n\nA ticket costs two euros.", 0, "Prices"),
)


def test_parts_have_their_place_in_their_passage() -> None:
    text = PassageParts.of(PASSAGES)
    found = [text.span(part.start, part.end) for part in text.parts]
    assert [(each.passage, PASSAGES[each.passage].text[each.start : each.end]) for each in found] == [
        (0, "The ferry leaves at nine."),
        (0, "It is free."),
        (2, "Fares"),
        (2, "A ticket costs two euros."),
    ]
    assert found[-1] == PassageSpan(2, 9, 34)


def test_context_of_a_part_is_of_its_own_passage() -> None:
    text = PassageParts.of(PASSAGES)
    assert text.contexts[0] == "Timetable"
    assert text.contexts[2] == "Prices"
    assert text.contexts[3].startswith("Prices Fares")
    assert [each and each.text for each in text.previous] == [None, "The ferry leaves at nine.", None, "Fares"]


async def test_candidates_of_a_search_know_their_passage() -> None:
    question = parse_question("What does a ticket cost?")
    ranked = await find_candidates(WordEmbedder(), question, PassageParts.of(PASSAGES, are_ranked=True))
    assert {each.part.text: each.passage.rank for each in ranked.candidates if each.passage}[
        "A ticket costs two euros."
    ] == 2
    given = await find_candidates(WordEmbedder(), question, PassageParts.of(PASSAGES))
    assert {each.passage for each in given.candidates} == {None}


async def test_passages_without_text_have_no_candidates() -> None:
    found = await find_candidates(WordEmbedder(), parse_question("Why?"), PassageParts.of(PASSAGES[1:2]))
    assert list(found.candidates) == []
