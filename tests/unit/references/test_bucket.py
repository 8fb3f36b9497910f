"""Buckets that are written to."""

import pytest

from carteiro.references.bucket import Bucket, parse_bucket, read_object
from carteiro.references.errors import AddressInvalid, ReferenceRefused, StoreUnavailable
from carteiro.references.object_stores import ObjectStores
from tests.s3_server import S3Server


async def test_object_is_written_below_the_address_and_read_again(s3_environment: S3Server) -> None:
    bucket = Bucket(parse_bucket("s3://letters/replies/"), ObjectStores())
    uri = await bucket.write("llm.chat.requests/0/7.json", "é".encode(), "application/json")
    assert uri == "s3://letters/replies/llm.chat.requests/0/7.json"
    assert s3_environment.get(uri) == "é".encode()
    assert await read_object(uri, ObjectStores(), 2) == "é"
    with pytest.raises(ReferenceRefused, match="has more than 1 bytes"):
        await read_object(uri, ObjectStores(), 1)


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "https://127.0.0.1/a", "s3://letters", "malformed"])
async def test_only_objects_are_read(uri: str) -> None:
    with pytest.raises(ReferenceRefused):
        await read_object(uri, ObjectStores(), 10)


@pytest.mark.parametrize("uri", ["https://example.com/a", "file:///tmp", "letters", "s3://"])
def test_address_without_a_bucket_is_invalid(uri: str) -> None:
    with pytest.raises(AddressInvalid):
        parse_bucket(uri)


async def test_bucket_that_is_away_is_unavailable(monkeypatch: pytest.MonkeyPatch, s3_environment: S3Server) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StoreUnavailable):
        await Bucket(parse_bucket("s3://letters"), ObjectStores()).write("a", b"", "text/plain")
