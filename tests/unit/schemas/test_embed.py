"""Requests for vectors, and their results."""

import pytest
from pydantic import ValidationError

from carteiro.schemas.embed import MAX_TEXTS, EmbedRequest, EmbedResult
from carteiro.schemas.field_errors import explain, field_errors


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "texts: is missing"),
        ({"texts": []}, "texts: must not be empty"),
        ({"texts": "a"}, "texts: must be a list"),
        ({"texts": ["a"] * (MAX_TEXTS + 1)}, "texts: must have at most 256 entries"),
        ({"texts": ["a", ""]}, "texts.1: must not be blank"),
        ({"texts": ["a", "b", " \n"]}, "texts.2: must not be blank"),
        ({"texts": ["a", None]}, "texts.1: must be a text, not null"),
        ({"texts": ["a"], "input_type": "passage"}, "input_type: must be 'query' or 'document'"),
        ({"texts": ["a"], "dimensions": 0}, "dimensions: must be at least 1"),
        ({"texts": ["a"], "dimensions": 10**9}, "dimensions: must be at most 65536"),
        ({"texts": ["a"], "dimensions": 2.0}, "dimensions: must be a whole number"),
        ({"texts": ["a"], "text": "a"}, "text: is not a field of this request"),
    ],
)
def test_wrong_request_names_its_field(fields, message):
    with pytest.raises(ValidationError) as caught:
        EmbedRequest.model_validate(fields)
    assert explain(field_errors(caught.value)) == message


def test_as_many_texts_as_permitted_are_read():
    assert len(EmbedRequest.model_validate({"texts": ["x" * 2**20] * MAX_TEXTS}).texts) == MAX_TEXTS


def test_plain_text_is_the_only_text():
    assert EmbedRequest.model_validate(EmbedRequest.from_text("Hi")) == EmbedRequest(texts=["Hi"])


def test_person_sees_the_beginning_of_each_vector():
    short = EmbedResult(vectors=[[0.6, -0.8]], dimensions=2)
    assert short.render() == "0.6000 -0.8000  (2 dimensions)"
    long = EmbedResult(vectors=[[0.025] * 1536, [0.0] * 1536], dimensions=1536)
    first, second = long.render().splitlines()
    assert first == "0.0250 0.0250 0.0250 0.0250 0.0250 0.0250 ...  (1,536 dimensions)"
    assert second.startswith("0.0000 ")


def test_vector_with_a_number_that_json_lacks_is_no_result():
    result = EmbedResult.model_validate_json('{"vectors": [[1e-7, 1]], "dimensions": 2}')
    assert EmbedResult.model_validate_json(result.model_dump_json()) == result
