"""Texts at HTTPS addresses: no redirect, no internal address, no more than was announced."""

import asyncio
import gzip
import socket
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aiohttp import web

from carteiro.references.address import parse_address
from carteiro.references.body import read_text
from carteiro.references.errors import ReferenceRefused, StoreUnavailable
from carteiro.references.https_reader import CheckedResolver, HttpsReader
from tests.unit.references.https_server import HttpsServer, running_https


@pytest.fixture
async def server() -> AsyncIterator[HttpsServer]:
    async with running_https() as running:
        yield running


async def read(server: HttpsServer, uri: str, **options: Any) -> str:
    async with HttpsReader(server.tls, **options).open(parse_address(uri)) as body:
        return await read_text(body, 1000)


async def test_text_is_read_with_its_query_and_without_the_callers_surroundings(
    server: HttpsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    uri = server.on("/a b", lambda _: web.Response(text="Olá"))
    assert await read(server, uri.replace(" ", "%20") + "?X-Signature=a%2Fb&c=d+e") == "Olá"
    (request,) = server.requests
    assert request.raw_path == "/a%20b?X-Signature=a%2Fb&c=d+e"
    assert request.headers["Accept-Encoding"] == "identity"
    assert not {"Cookie", "Authorization", "Referer"} & request.headers.keys()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_not_followed(server: HttpsServer, status: int) -> None:
    target = server.on("/secret", lambda _: web.Response(text="secret"))
    uri = server.on("/a", lambda _: web.Response(status=status, headers={"Location": target}))
    with pytest.raises(ReferenceRefused, match="redirects are not followed"):
        await read(server, uri)
    assert [request.path for request in server.requests] == ["/a"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 204, 206])
async def test_answer_that_stays_the_same_is_a_refusal(server: HttpsServer, status: int) -> None:
    with pytest.raises(ReferenceRefused, match=str(status)):
        await read(server, server.on("/a", lambda _: web.Response(status=status)))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_answer_that_may_pass_is_an_unavailable_store(server: HttpsServer, status: int) -> None:
    with pytest.raises(StoreUnavailable, match=str(status)):
        await read(server, server.on("/a", lambda _: web.Response(status=status)))


async def test_compressed_text_is_refused_and_not_unpacked(server: HttpsServer) -> None:
    bomb = gzip.compress(b"x" * 1_000_000)
    uri = server.on("/a", lambda _: web.Response(body=bomb[:900], headers={"Content-Encoding": "gzip"}))
    with pytest.raises(ReferenceRefused, match="is compressed"):
        await read(server, uri)


async def test_endless_text_ends_at_the_limit(server: HttpsServer) -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 500)

    with pytest.raises(ReferenceRefused) as caught:
        await read(server, server.on("/a", flood))  # type: ignore[arg-type]
    assert caught.value.is_too_large


async def test_text_that_ends_before_its_announced_length_is_an_unavailable_store(server: HttpsServer) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "900"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()  # type: ignore[attr-defined]
        return response

    with pytest.raises(StoreUnavailable):
        await read(server, server.on("/a", cut))  # type: ignore[arg-type]


async def test_unknown_certificate_or_closed_port_is_an_unavailable_store(server: HttpsServer) -> None:
    uri = server.on("/a?signature=secret", lambda _: web.Response(text="a"))
    with pytest.raises(StoreUnavailable, match="CertificateError") as caught:
        async with HttpsReader().open(parse_address(uri)):
            pass
    assert "secret" not in str(caught.value)
    with pytest.raises(StoreUnavailable):
        await read(server, "https://127.0.0.1:9/a")


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["10.0.0.7"],
        ["93.184.216.34", "127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["fe80::1%eth0"],
        ["fd00:ec2::254"],
    ],
)
async def test_name_with_an_internal_address_is_refused(server: HttpsServer, found: list[str]) -> None:
    resolver = CheckedResolver(Lookups(found))
    with pytest.raises(ReferenceRefused, match="internal address"):
        await read(server, f"https://texts.example:{server.port}/a", resolver=resolver)
    assert not server.requests


async def test_connection_goes_to_the_address_that_was_checked() -> None:
    # A second lookup would give an internal address, as after a DNS rebinding.
    lookups = Lookups(["93.184.216.34"], ["127.0.0.1"])
    found = await CheckedResolver(lookups).resolve("texts.example", 443)
    assert [(each["host"], each["flags"]) for each in found] == [("93.184.216.34", socket.AI_NUMERICHOST)]
    assert lookups.hosts == ["texts.example"]


async def test_localhost_is_what_its_entry_names(server: HttpsServer) -> None:
    server.on("/a", lambda _: web.Response(text="local"))
    assert await read(server, f"https://localhost:{server.port}/a") == "local"


async def test_name_without_an_address_is_an_unavailable_store(server: HttpsServer) -> None:
    def fail(*_: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    with pytest.raises(StoreUnavailable):
        await read(server, "https://nowhere.example/a", resolver=CheckedResolver(fail))


async def test_name_server_that_hangs_holds_no_thread_of_the_requests() -> None:
    answered = threading.Event()

    def hang(*_: Any) -> list[Any]:
        answered.wait(60)
        return []

    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    resolver = CheckedResolver(hang)
    lookups = [asyncio.create_task(resolver.resolve("texts.example")) for _ in range(20)]
    try:
        async with asyncio.timeout(30):
            await asyncio.sleep(0)
            await asyncio.to_thread(bool)
    finally:
        answered.set()
        await asyncio.gather(*lookups, return_exceptions=True)


class Lookups:
    """`getaddrinfo` that answers from a list; the last answer stays."""

    def __init__(self, *answers: list[str]) -> None:
        self._left, self.hosts = list(answers), list[str]()

    def __call__(self, host: str, port: int, *_: Any) -> list[Any]:
        self.hosts.append(host)
        found = self._left.pop(0) if len(self._left) > 1 else self._left[0]
        kinds = [socket.AF_INET6 if ":" in ip else socket.AF_INET for ip in found]
        return [(kind, socket.SOCK_STREAM, 6, "", (ip, port)) for kind, ip in zip(kinds, found, strict=True)]
