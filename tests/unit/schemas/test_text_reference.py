"""Texts, and addresses in their places."""

import pytest
from pydantic import ValidationError

from carteiro.schemas import REQUESTS, Request, TextReference
from carteiro.schemas.answer import AnswerRequest
from carteiro.schemas.chat import ChatRequest
from carteiro.schemas.field_errors import field_errors
from carteiro.schemas.large_content import find_content, replace_content
from carteiro.schemas.summarize import SummarizeRequest
from carteiro.schemas.text_reference import may_be_reference

CHAT = b"""{"messages": [{"role": "system", "content": "Be brief."},
    {"role": "user", "content": {"uri": "s3://letters/a"}}]}"""
REFERENCE = TextReference(uri="s3://letters/a")


def references(request: Request) -> list[str]:  # type: ignore[type-arg]
    return [path for path, text in find_content(request) if isinstance(text, TextReference)]


@pytest.mark.parametrize("task", sorted(REQUESTS.keys() - {"embed"}))  # its texts are short, as models read them whole
def test_every_task_takes_its_long_text_by_reference(task: str) -> None:
    request = REQUESTS[task]
    by_reference = {"role": "user", "content": {"uri": "s3://a/b"}} if task == "chat" else {"uri": "s3://a/b"}
    field = request.text_field
    example = request.model_json_schema()["examples"][0] | {field: [by_reference] if task == "chat" else by_reference}
    parsed = request.model_validate(example)
    assert len(references(parsed)) == 1
    assert request.model_validate_json(parsed.to_json()) == parsed


def test_reference_in_a_list_is_found_and_replaced() -> None:
    request = ChatRequest.model_validate_json(CHAT)
    assert references(request) == ["messages.1.content"]
    resolved = replace_content(request, {REFERENCE: "Why?"})
    assert [message.content for message in resolved.messages] == ["Be brief.", "Why?"]
    assert references(request) == ["messages.1.content"], "the request itself is unchanged"
    assert resolved.model_fields_set == request.model_fields_set


def test_text_is_replaced_by_a_reference() -> None:
    request = AnswerRequest(question="Who?", context="long")
    replaced = replace_content(request, {"long": REFERENCE, "Who?": REFERENCE})
    assert replaced.to_json() == b'{"question":"Who?","context":{"uri":"s3://letters/a"}}'


def test_request_without_references_stays_the_same_object() -> None:
    request = ChatRequest.from_text("Hi")
    parsed = ChatRequest.model_validate(request)
    assert replace_content(parsed, {REFERENCE: "x"}) is parsed


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ({}, "text.uri: is missing"),
        ({"uri": ""}, "text.uri: must not be blank"),
        ({"uri": 7}, "text.uri: must be a text"),
        ({"uri": "s3://a/b", "region": "x"}, "text.region: is not a field of this request"),
        ({"uri": "s" * 9000}, "text.uri: must have at most 8192 characters"),
        (7, "text: must be a text"),
        ([], "text: must be a text"),
        (" ", "text: must not be blank"),
    ],
)
def test_wrong_reference_is_named_by_its_field(text: object, problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SummarizeRequest.model_validate({"text": text})
    assert [f"{each.field}: {each.reason}" for each in field_errors(caught.value)] == [problem]


def test_address_is_not_in_the_representation_of_a_request() -> None:
    request = SummarizeRequest.model_validate({"text": {"uri": "https://example.com/a?X-Signature=secret"}})
    assert "secret" not in repr(request)


def test_short_fields_take_no_reference() -> None:
    assert not may_be_reference(AnswerRequest.model_fields["question"])
    with pytest.raises(ValidationError):
        AnswerRequest.model_validate({"question": {"uri": "s3://a/b"}, "context": "x"})
