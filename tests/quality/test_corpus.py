"""The rules of the corpus for retrieval: its size, unique keys, and quotes that stand in one document."""

import re
from collections import Counter

import pytest

from tests.quality.corpus import read_documents, read_questions

DOCUMENTS = read_documents()
TEXTS = {each.key: each for each in DOCUMENTS}
QUESTIONS = read_questions()
ANSWERED = [each for each in QUESTIONS if each.answer is not None]
REFUSED = [each for each in QUESTIONS if each.answer is None]


def repeated(values: list[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]


def words(text: str) -> set[str]:
    """Return the words that carry meaning: of four letters or more."""
    return set(re.findall(r"\w{4,}", text.lower()))


def test_keys_uris_ids_and_texts_are_unique():
    assert repeated([each.key for each in DOCUMENTS]) == []
    assert repeated([each.uri for each in DOCUMENTS]) == []
    assert repeated([" ".join(each.text.split()) for each in DOCUMENTS]) == []
    assert repeated([each.id for each in QUESTIONS]) == []
    assert repeated([f"{each.question} {dict(each.filter)}" for each in QUESTIONS]) == []


def test_documents_have_a_title_and_all_fields():
    for each in DOCUMENTS:
        assert each.title
        assert each.text == each.text.strip()
        assert each.uri == f"https://velmar.example.org/{each.key}"
        assert set(each.fields) == {"department", "year", "tenant"}
        assert each.fields["tenant"] in ("north", "south")
        assert isinstance(each.fields["year"], int)


@pytest.mark.parametrize("question", ANSWERED, ids=lambda each: each.id)
def test_quote_stands_in_one_document_of_the_filter(question):
    holders = [each.key for each in DOCUMENTS if each.matches(question.filter) and question.quote in each.text]
    assert holders == [question.document]
    assert TEXTS[question.document].text.count(question.quote) == 1
    if question.extractive:
        assert question.answer.lower() in question.quote.lower()


def test_id_says_the_language_and_if_the_document_is_in_another():
    for each in QUESTIONS:
        if each.document is None:
            prefix = f"none-{each.language}"
        elif TEXTS[each.document].language != each.language:
            prefix = f"x-{each.language}"
        else:
            prefix = each.language
        assert re.fullmatch(rf"{prefix}-\d{{3}}", each.id)


def test_question_without_an_answer_names_no_document_and_filters_by_known_values():
    for each in REFUSED:
        assert (each.document, each.quote) == (None, None)
    for each in QUESTIONS:
        assert not each.filter or any(document.matches(each.filter) for document in DOCUMENTS)


def test_most_questions_use_other_words_than_their_quote():
    asked = [each for each in ANSWERED if not each.id.startswith("x-")]
    paraphrased = [
        each for each in asked if 2 * len(words(each.question) & words(each.quote or "")) <= len(words(each.question))
    ]
    assert len(paraphrased) >= 0.5 * len(asked)
