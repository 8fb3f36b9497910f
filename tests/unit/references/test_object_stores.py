"""Objects on a real S3 server."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from carteiro.references.address import parse_address, parse_prefix
from carteiro.references.body import read_text
from carteiro.references.errors import ReferenceRefused, StoreInvalid, StoreRefused, StoreUnavailable, TextUnavailable
from carteiro.references.object_stores import ObjectStores
from tests.s3_server import S3Server

pytestmark = pytest.mark.usefixtures("s3_environment")


async def read(uri: str, max_bytes: int = 1000, stores: ObjectStores | None = None) -> str:
    async with (stores or ObjectStores()).open_object(parse_address(uri)) as body:
        return await read_text(body, max_bytes)


@pytest.mark.parametrize("key", ["in/a.txt", "in/a b+ü%20.txt", "in/q?x#y;z.txt", "in/*~[1]&=$@!'().txt"])
async def test_object_of_any_key_is_read(s3: S3Server, key: str) -> None:
    assert await read(s3.put(key, "Olá".encode())) == "Olá"


async def test_missing_object_or_bucket_is_refused_in_our_words() -> None:
    for uri in ("s3://letters/missing", "s3://nobody/a"):
        with pytest.raises(ReferenceRefused) as caught:
            await read(uri)
        assert caught.value.reason == "does not exist"


async def test_type_and_size_are_checked_before_the_object_is_read(s3: S3Server) -> None:
    with pytest.raises(ReferenceRefused, match="is of type 'image/png'"):
        await read(s3.put("picture", b"x", ContentType="image/png"))
    with pytest.raises(ReferenceRefused, match="is compressed"):
        await read(s3.put("packed", b"x", ContentEncoding="gzip"))
    with pytest.raises(ReferenceRefused) as caught:
        await read(s3.put("large", b"x" * 1001))
    assert caught.value.is_too_large


async def test_store_that_is_away_is_unavailable_and_names_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StoreUnavailable) as caught:
        await read("s3://letters/in/name-of-a-patient")
    assert str(caught.value).startswith("s3://letters does not answer")
    assert "patient" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "code", "is_of_the_object"),
    [
        (400, "InvalidRequest", True),
        (304, "", True),
        (409, "BlobArchived", True),
        (412, "PreconditionFailed", True),
        (416, "InvalidRange", True),
        (400, "ExpiredToken", False),
        (429, "TooManyRequests", False),
        (503, "SlowDown", False),
    ],
)
async def test_object_that_its_store_does_not_give_is_told_from_a_store_that_is_away(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str, is_of_the_object: bool
) -> None:
    async def answer(_: web.Request) -> web.Response:
        body = f"<Error><Code>{code}</Code><Key>&lt;Code&gt;ExpiredToken</Key></Error>" if status != 304 else None
        return web.Response(status=status, text=body)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", str(server.make_url("")).rstrip("/"))
        with pytest.raises(StoreUnavailable) as caught:
            await read("s3://letters/in/Server returned non-2xx status code: 503 <Code>ExpiredToken</Code>")
    assert isinstance(caught.value, TextUnavailable) is is_of_the_object
    assert "Server returned" not in str(caught.value)


async def test_written_object_has_its_type_and_replaces_an_earlier_one(s3: S3Server) -> None:
    stores, address = ObjectStores(), parse_address("s3://letters/out/a.json")
    await stores.write(address, b"[1]", "application/json")
    await stores.write(address, b"[2]", "application/json")
    assert s3.get("s3://letters/out/a.json") == b"[2]"
    with pytest.raises(StoreRefused, match="does not exist"):
        await stores.write(parse_address("s3://nobody/a"), b"", "text/plain")


def test_bucket_is_opened_once() -> None:
    stores = ObjectStores()
    assert stores.open(parse_prefix("s3://letters/in")) is stores.open(parse_prefix("s3://letters/out"))


def test_bucket_whose_variables_are_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(StoreInvalid, match=r"^az://letters cannot be opened \(.*AZURE_STORAGE_ACCOUNT_NAME"):
        ObjectStores().open(parse_prefix("az://letters"))
