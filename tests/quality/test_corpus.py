"""The rules of the corpus for retrieval: its size, unique keys, and quotes that stand in one document.

No model is needed.
"""

import re
from collections import Counter

from tests.quality.corpus import Document, Question, read_documents, read_follow_ups, read_questions

DOCUMENTS = read_documents()
TEXTS = {each.key: each for each in DOCUMENTS}
QUESTIONS = read_questions()
ANSWERED = [each for each in QUESTIONS if each.answer is not None]
REFUSED = [each for each in QUESTIONS if each.answer is None]


def count_languages(rows: list[Document] | list[Question]) -> Counter[str]:
    return Counter(each.language for each in rows)


def repeated(values: list[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]


def words(text: str) -> set[str]:
    """Return the words that carry meaning: of four letters or more."""
    return set(re.findall(r"\w{4,}", text.lower()))


def test_corpus_is_large_enough_in_both_languages():
    assert count_languages(DOCUMENTS) >= Counter(en=200, pt=100)
    assert count_languages(ANSWERED) >= Counter(en=130, pt=70)
    assert count_languages(REFUSED) >= Counter(en=25, pt=15)
    for part in ("tuned", "held_out"):
        assert count_languages([each for each in ANSWERED if each.part == part]) >= Counter(en=100, pt=100)
        assert count_languages([each for each in REFUSED if each.part == part]) >= Counter(en=12, pt=12)
    assert sum(each.id.startswith("x-") for each in ANSWERED) >= 15
    assert sum(len(each.text.split()) >= 600 and "\n## " in each.text for each in DOCUMENTS) >= 20


def test_questions_on_a_document_are_in_one_part():
    assert {each.part for each in QUESTIONS} == {"tuned", "held_out"}
    parts = {(each.document, each.part) for each in ANSWERED}
    assert repeated([str(document) for document, _ in parts]) == []


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


def quote_fault(question: Question) -> str | None:
    """Return the rule that the answer or the quote of a question breaks."""
    quote, answer = question.quote or "", question.answer or ""
    holders = [each.key for each in DOCUMENTS if each.matches(question.filter) and quote in each.text]
    if holders != [question.document]:
        return f"the quote stands in {holders}"
    if TEXTS[holders[0]].text.count(quote) != 1:
        return "the quote stands twice in its document"
    if not answer or answer.lower() not in quote.lower():
        return "the answer does not stand in the quote"
    return None


def test_quote_stands_once_in_one_document_of_the_filter():
    assert {each.id: fault for each in ANSWERED if (fault := quote_fault(each))} == {}


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


def test_follow_ups_are_on_the_document_of_the_question_before():
    follow_ups = read_follow_ups()
    assert len(follow_ups) >= 50
    assert repeated([each.text for each in follow_ups]) == []
    for each in follow_ups:
        assert each.question.document == each.earlier.document is not None
        assert len(each.text) < 80
