"""Vectors over Kafka: from texts in a request to the reply of a worker, with the local provider as its model."""

import pytest

from carteiro.client import Carteiro, ReplyError, RequestInvalid
from carteiro.schemas import Request
from carteiro.schemas.embed import EmbedRequest
from tests.provider import Provider
from tests.provider.embeddings import openai, vector

pytestmark = pytest.mark.timeout(120)


class RawRequest(EmbedRequest):
    """Request whose record value is any bytes."""

    value: bytes

    def to_json(self) -> bytes:
        return self.value


async def refused(carteiro: Carteiro, request: Request) -> ReplyError:  # type: ignore[type-arg]
    with pytest.raises(ReplyError) as caught:
        await carteiro.ask(request)
    return caught.value


async def test_texts_get_their_vectors(carteiro: Carteiro):
    texts = [f"The boat {number} leaves." for number in range(100)]
    reply = await carteiro.embed(texts, input_type="document", dimensions=16)
    assert [list(each) for each in reply.result.vectors] == [
        pytest.approx(vector(text, 16), abs=1e-6) for text in texts
    ]
    assert (reply.result.dimensions, reply.usage.input_tokens) == (16, 400)
    assert reply.model.endswith("#vectors")
    assert (await carteiro.embed("one text")).result.dimensions == 8


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        (b'{"texts": []}', {"texts": "must not be empty"}),
        (b'{"texts": ["a", " "]}', {"texts.1": "must not be blank"}),
        (b'{"texts": [%s]}' % b",".join([b'"a"'] * 257), {"texts": "must have at most 256 entries"}),
        (b'{"texts": ["a"], "dimensions": NaN}', {"dimensions": "must be a whole number"}),
    ],
)
async def test_wrong_request_names_its_field(carteiro: Carteiro, value: bytes, fields: dict[str, str]):
    error = await refused(carteiro, RawRequest.model_construct(value=value))
    assert error.code == "invalid_request"
    assert {each.field: each.reason for each in error.fields} == fields


async def test_client_sends_no_wrong_request(carteiro: Carteiro):
    with pytest.raises(RequestInvalid, match="must have at most 256 entries"):
        await carteiro.embed(["a"] * 257)


async def test_too_long_text_is_named(carteiro: Carteiro, provider: Provider):
    provider.embedding_limit = openai
    try:
        error = await refused(carteiro, EmbedRequest(texts=["short", "word " * 40]))
    finally:
        provider.embedding_limit = lambda texts: None
    assert (error.code, error.retryable) == ("too_large", False)
    assert "Text 1, counted from 0: The prompt does not fit" in str(error)


async def test_as_many_texts_as_are_allowed_fit_a_reply_with_the_vectors_of_the_packaged_model(carteiro: Carteiro):
    texts = [f"The boat {number} leaves." for number in range(256)]
    reply = await carteiro.embed(texts, dimensions=384)
    assert (len(reply.result.vectors), reply.result.dimensions) == (256, 384)


async def test_vectors_that_the_reply_topic_does_not_take_are_an_error(carteiro: Carteiro):
    error = await refused(carteiro, EmbedRequest(texts=["a"] * 256, dimensions=3072))
    assert error.code == "too_large"
    assert "more than the reply topic takes" in str(error)
