"""The part of a request that a refusal is about, by its words."""

import pytest

from carteiro.models.cloud.rejection_cause import (
    SYSTEM_ROLE,
    SchemaRejection,
    counts_output_limit,
    is_field_missing,
    is_output_limit_used_up,
    is_request_rejected,
    is_value_rejected,
    names_no_field,
    rejected_field,
    schema_rejection,
)
from carteiro.models.errors import InvalidPrompt, ModelError, PromptTooLarge, Unavailable, Unsupported


def refusal(words: str, option: str | None = None) -> InvalidPrompt:
    return InvalidPrompt(f"openai:seed-oss turned the request down: {words}", option)


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ("'response_format' of type 'json_schema' is not supported", "response_format"),
        ("Use 'max_completion_tokens' instead of 'max_tokens'", "max_completion_tokens"),
        ("max_new_tokens must be below 100", "max_tokens"),
        ("Streaming is not available", "stream"),
        ("stream_options: extra fields not permitted", "stream_options"),
        ("Only seed 0", "seed"),
        ("Conversation roles must alternate", SYSTEM_ROLE),
        ("messages[0].role does not support 'system'", SYSTEM_ROLE),
        ("Bad Request", None),
    ],
)
def test_field_that_is_named_first_is_the_rejected_one(words: str, field: str | None) -> None:
    assert rejected_field(refusal(words)) == field


def test_name_of_the_model_is_no_field() -> None:
    assert rejected_field(InvalidPrompt("openai:seed-oss turned the request down")) is None


def test_option_comes_before_the_words_except_for_roles() -> None:
    assert rejected_field(refusal("Streaming is off", "seed")) == "seed"
    assert rejected_field(refusal("Streaming is off", "metadata")) == "metadata"
    assert rejected_field(refusal("the system role is unknown", "messages")) == SYSTEM_ROLE


@pytest.mark.parametrize(
    ("failure", "unnamed"),
    [
        (refusal("Bad Request"), True),
        (InvalidPrompt("m turned the request down"), True),
        (Unsupported("m cannot do what was asked: No route"), True),
        (Unsupported("m refused the request with HTTP status 499"), False),
        (refusal("bad seed"), False),
        (Unavailable("m failed: Bad Request"), False),
    ],
)
def test_refusal_that_names_no_field_is_recognised(failure: ModelError, unnamed: bool) -> None:
    assert names_no_field(failure) is unnamed


@pytest.mark.parametrize(
    ("failure", "part"),
    [
        (refusal("Unknown parameter: 'strict'"), SchemaRejection.STRICT),
        (refusal("x", "strict"), SchemaRejection.STRICT),
        (refusal("Invalid schema for response_format"), SchemaRejection.SCHEMA),
        (refusal("the schema has too many parts"), SchemaRejection.SCHEMA),
        (refusal("json_schema is not supported"), SchemaRejection.FORMAT_TYPE),
    ],
)
def test_rejected_part_of_the_format_is_known(failure: ModelError, part: SchemaRejection) -> None:
    assert schema_rejection(failure) is part


def test_value_and_missing_field_and_used_up_limit_are_distinguished() -> None:
    value, missing, used_up = (
        refusal("max_tokens is too large"),
        refusal("max_tokens is required"),
        refusal("Could not finish the message because max_tokens or model output limit was reached"),
    )
    assert [is_value_rejected(each) for each in (value, missing, used_up)] == [True, False, True]
    assert [is_field_missing(each) for each in (value, missing, used_up)] == [False, True, False]
    assert [is_output_limit_used_up(each) for each in (value, missing, used_up)] == [False, False, True]


def test_limit_counts_if_the_option_or_the_words_name_it() -> None:
    assert counts_output_limit(PromptTooLarge("m: too long", "max_tokens"))
    assert counts_output_limit(PromptTooLarge("m: 9000 in the messages, 100 in the completion"))
    assert not counts_output_limit(PromptTooLarge("m: 9000 tokens"))


@pytest.mark.parametrize(
    ("failure", "rejected"),
    [(refusal("x"), True), (Unsupported("x"), True), (Unavailable("x"), False), (PromptTooLarge("x"), False)],
)
def test_only_the_request_itself_may_be_rejected(failure: ModelError, rejected: bool) -> None:
    assert is_request_rejected(failure) is rejected
