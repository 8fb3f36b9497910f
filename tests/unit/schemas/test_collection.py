"""Requests that name a collection, and their sources."""

import pytest
from pydantic import ValidationError

from carteiro.retrieval.field_filter import MAX_FILTER_FIELDS, MAX_FILTER_VALUES
from carteiro.schemas import REQUESTS, collection
from carteiro.schemas.answer import AnswerRequest
from carteiro.schemas.chat import ChatRequest
from carteiro.schemas.collection import Passage, Source
from carteiro.schemas.field_errors import explain, field_errors

PASSAGE = Passage(
    "returns", "Goods come back. 30 days.", 100, "Returns", "https://example.org", pages=((3, 0), (4, 17))
)
FIELDS = {"question": "How long?", "collection": "handbook"}


def problem_of(**fields: object) -> str:
    with pytest.raises(ValidationError) as caught:
        AnswerRequest.model_validate({"question": "How long?"} | fields)
    return explain(field_errors(caught.value))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "request: needs either context or attachments, or collection"),
        ({"context": "x", "collection": "a"}, "request: needs either context or attachments, or collection"),
        ({"context": "x", "top_k": 3}, "request: top_k needs a collection"),
        ({"context": "x", "filter": {"a": 1}}, "request: filter needs a collection"),
        ({"context": "x", "rerank": True}, "request: rerank needs a collection"),
        (
            {"collection": "../etc"},
            "collection: must be 1 to 63 of the characters a-z 0-9 _ - and begin with a letter or a digit",
        ),
        ({"collection": "a", "top_k": 51}, "top_k: must be at most 50"),
        ({"collection": "a", "top_k": 0}, "top_k: must be at least 1"),
        ({"collection": "a", "filter": {str(n): n for n in range(17)}}, "filter: must have at most 16 entries"),
    ],
)
def test_wrong_search_is_named(fields: dict[str, object], problem: str) -> None:
    assert problem_of(**fields) == problem


@pytest.mark.parametrize("value", [{"$ne": 1}, None, [[1]], ["x"] * 33, "x" * 1025])
def test_filter_has_only_plain_values_and_few_of_them(value: object) -> None:
    problem = problem_of(collection="a", filter={"tenant": value})
    assert problem.startswith("filter.tenant: must be a text of up to 1024 characters, a number,")
    assert problem.count("tenant") == 1


def test_a_store_takes_every_filter_of_a_request() -> None:
    assert collection.MAX_FILTER_FIELDS <= MAX_FILTER_FIELDS
    assert collection.MAX_FILTER_VALUES <= MAX_FILTER_VALUES


def test_filter_keeps_the_kinds_of_its_values() -> None:
    request = AnswerRequest.model_validate_json(
        b'{"question": "?", "collection": "a", "filter": {"tenant": "north", "year": [2023, 2024], "new": true}}'
    )
    assert request.filter == {"tenant": "north", "year": [2023, 2024], "new": True}


def test_passages_stay_with_copies_of_the_request_and_off_the_wire() -> None:
    request = AnswerRequest.model_validate(FIELDS)
    found = request.with_passages((PASSAGE,))
    assert found.model_copy(update={"question": "Why?"}).passages == (PASSAGE,)
    assert found.to_json() == request.to_json()
    assert request.passages == ()
    with pytest.raises(ValidationError):
        AnswerRequest.model_validate({**FIELDS, "passages": []})
    with pytest.raises(ValidationError):
        AnswerRequest.model_validate({**FIELDS, "_passages": []})


def test_source_has_the_place_in_the_document() -> None:
    assert PASSAGE.source(2, 17, 24) == Source(
        key="returns", title="Returns", uri="https://example.org", page=4, start=117, end=124, quote="30 days", number=2
    )
    assert PASSAGE.source(2, 0, 5).page == 3
    assert Passage("k", "text").source(1, 0, 4).page is None


def test_source_is_shown_as_a_line() -> None:
    assert PASSAGE.source(2, 17, 24).render() == '[2] Returns, page 4: "30 days" https://example.org'
    assert Passage("k", "a\nb", uri="k").source(1, 0, 3).render() == '[1] k: "a b"'


def test_question_and_the_last_message_are_searched_for() -> None:
    messages = [{"role": r, "content": c} for r, c in (("user", "a"), ("assistant", "b"), ("user", "c"))]
    assert ChatRequest.model_validate({"messages": messages, "collection": "x"}).search_text == "c"
    assert AnswerRequest.model_validate(FIELDS).search_text == "How long?"


@pytest.mark.parametrize(
    ("earlier", "expected"),
    [
        ([("system", "s")], ""),
        ([("user", "a"), ("assistant", "b")], "a"),
        ([("user", "a"), ("assistant", "b"), ("user", [{"type": "file", "uri": "s3://b/a.pdf"}])], "a"),
    ],
)
def test_question_before_the_last_message_is_the_users_last_text(earlier, expected) -> None:
    messages = [{"role": r, "content": c} for r, c in (*earlier, ("user", "c"))]
    assert ChatRequest.model_validate({"messages": messages, "collection": "x"}).earlier_search_text == expected
    assert AnswerRequest.model_validate(FIELDS).earlier_search_text == ""


def test_plain_text_is_the_question_next_to_a_collection() -> None:
    assert AnswerRequest.from_text("Why?", {"collection": "a"}) == {"question": "Why?"}
    assert AnswerRequest.from_text("Why?", {"question": "?"}) == {"context": "Why?"}


def test_only_answer_and_chat_search() -> None:
    assert [task for task, request in REQUESTS.items() if "collection" in request.model_fields] == ["answer", "chat"]
