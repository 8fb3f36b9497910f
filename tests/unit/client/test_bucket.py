"""Long texts of a client, and results that it reads."""

import sys

import pytest

from carteiro.client import BucketUnavailable, Carteiro
from carteiro.client.bucket import UPLOAD_BYTES, ClientBucket
from carteiro.extras import ExtraMissing
from carteiro.schemas import StoredResult, TextReference
from carteiro.schemas.answer import AnswerRequest
from carteiro.schemas.chat import ChatRequest
from carteiro.schemas.generate import GenerateRequest
from carteiro.schemas.summarize import SummarizeRequest
from tests import media
from tests.s3_server import S3Server

LONG = "é" * (UPLOAD_BYTES // 2)


@pytest.fixture
def bucket(s3_environment: S3Server) -> ClientBucket:
    return ClientBucket("s3://letters/uploads")


async def test_long_text_is_uploaded_under_a_name_of_its_own(bucket: ClientBucket, s3_environment: S3Server) -> None:
    small = await bucket.upload_texts(SummarizeRequest(text=LONG, length="short"))
    assert isinstance(small.text, TextReference)
    assert s3_environment.get(small.text.uri).decode() == LONG
    assert small.length == "short"
    assert await bucket.upload_texts(SummarizeRequest(text=LONG, length="short")) == small


async def test_only_as_many_texts_are_uploaded_as_needed(bucket: ClientBucket) -> None:
    contents = ["a" * 200_000, "b" * 400_000, "short"]
    request = ChatRequest.model_validate({"messages": [{"role": "user", "content": each} for each in contents]})
    small = await bucket.upload_texts(request)
    assert [isinstance(message.content, TextReference) for message in small.messages] == [False, True, False]


async def test_request_below_the_limit_stays_as_it_is(bucket: ClientBucket) -> None:
    request = SummarizeRequest(text="x" * (UPLOAD_BYTES - 20))
    assert await bucket.upload_texts(request) is request


async def test_fields_that_take_no_reference_stay_in_the_request(bucket: ClientBucket) -> None:
    request = AnswerRequest(question=LONG, context="short")
    assert await bucket.upload_texts(request) is request


async def test_client_without_a_bucket_uploads_nothing() -> None:
    request = SummarizeRequest(text=LONG)
    assert await ClientBucket(None).upload_texts(request) is request


async def test_bucket_that_cannot_be_used_is_an_error_of_the_client(
    s3_environment: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BucketUnavailable, match="cannot be uploaded to s3://nobody: does not exist"):
        await ClientBucket("s3://nobody").upload_texts(SummarizeRequest(text=LONG))
    with pytest.raises(BucketUnavailable, match="s3://letters/missing cannot be read: does not exist"):
        await ClientBucket(None).read_result(StoredResult(uri="s3://letters/missing", size_bytes=1))


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "https://127.0.0.1/a", "http://127.0.0.1/a"])
async def test_result_is_read_from_buckets_only(uri: str) -> None:
    with pytest.raises(BucketUnavailable):
        await ClientBucket(None).read_result(StoredResult(uri=uri, size_bytes=1))


@pytest.mark.parametrize("address", ["https://example.com/a", "file:///tmp", "letters"])
def test_wrong_address_is_an_error_before_anything_is_sent(address: str) -> None:
    with pytest.raises(ValueError, match="begin"):
        Carteiro(bucket=address)


async def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carteiro.extras.find_spec", lambda module: None if module == "obstore" else sys)
    with pytest.raises(ExtraMissing, match=r"a bucket needs obstore: pip install 'carteiro\[references\]'"):
        Carteiro(bucket="s3://letters")
    with pytest.raises(BucketUnavailable, match=r"is at s3://letters/a: .*carteiro\[references\]"):
        await ClientBucket(None).read_result(StoredResult(uri="s3://letters/a", size_bytes=1))


async def test_long_file_is_uploaded_in_place_of_its_data(bucket: ClientBucket, s3_environment: S3Server) -> None:
    photo = media.PNG + b"x" * 500_000
    url = f"data:image/png;base64,{media.encoded(photo)}"
    for given in (
        {"data": media.encoded(photo), "name": "a.png"},
        {"type": "image_url", "image_url": {"url": url, "detail": "low"}},
    ):
        request = GenerateRequest.model_validate({"prompt": "Why?", "attachments": [given]})
        small = await bucket.upload_texts(request)
        (sent,) = small.attachments
        assert sent.address is not None
        assert sent.address.endswith(".png")
        assert s3_environment.get(sent.address) == photo
        read = sent.with_content(photo).media
        assert read == request.attachments[0].media
        assert len(small.to_json()) < 300
