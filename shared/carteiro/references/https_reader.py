"""Reader of texts at HTTPS addresses.

It connects only to addresses that it has checked itself, and follows no redirect. `obstore` can do neither: it resolves
names again by itself and follows redirects to anywhere.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_address
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from carteiro.references.address import Address
from carteiro.references.body import Body
from carteiro.references.errors import ReferenceRefused, TextUnavailable
from carteiro.references.internal_addresses import is_internal

_CONNECT_SECONDS = 10.0
_LOOKUP_THREADS = 8
_CHUNK_BYTES = 64 * 1024
_HEADERS = {"Accept": "text/*, application/json, */*;q=0.1", "Accept-Encoding": "identity", "User-Agent": "carteiro"}
_PASSING_STATUSES = (408, 425, 429)
_LOCAL_NAMES = ("localhost",)


class _Internal(Exception):
    """A host has an internal address."""


class CheckedResolver(AbstractResolver):
    """Resolver that gives the public addresses of a host to the one connection that is about to be made.

    So the address that was checked is the address that is connected to, whatever a second lookup would answer.
    """

    def __init__(self, look_up: Callable[..., Any] = socket.getaddrinfo) -> None:
        """`look_up` has the arguments and the result of `socket.getaddrinfo`. It may take its time."""
        # Threads of their own: a name server that hangs must not hold those that parse requests.
        self._look_up, self._threads = look_up, ThreadPoolExecutor(_LOOKUP_THREADS, "name-lookups")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host. Raise `_Internal` if one of them is internal, and `OSError`."""
        look_up = partial(self._look_up, host, port, family, socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        hosts = [(str(each[4][0]), each[0]) for each in found]
        # A link-local address comes with its zone.
        if host not in _LOCAL_NAMES and any(is_internal(ip_address(ip.partition("%")[0])) for ip, _ in hosts):
            raise _Internal
        return [
            ResolveResult(hostname=host, host=ip, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for ip, kind in hosts
        ]

    async def close(self) -> None:
        """No-op: all connections share the threads."""


class HttpsReader:
    """Opens texts at `https` addresses, each with a connection of its own.

    An IP address or `localhost` is connected to as it is, internal or not: the entry that permits it names it as well.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, resolver: AbstractResolver | None = None) -> None:
        """`tls` checks certificates; by default the system's authorities do."""
        self._tls, self._resolver = tls or ssl.create_default_context(), resolver or CheckedResolver()

    @asynccontextmanager
    async def open(self, address: Address) -> AsyncIterator[Body]:
        """Open the text of an address for the `with` block. Raise `ReferenceRefused` and `TextUnavailable`."""
        try:
            async with (
                aiohttp.ClientSession(connector=self._connector(), **_session_options()) as session,
                session.get(_url(address), allow_redirects=False, headers=_HEADERS) as response,
            ):
                _check_status(response.status)
                yield Body(
                    response.content.iter_chunked(_CHUNK_BYTES),
                    response.content_length,
                    response.headers.get("Content-Type"),
                    response.headers.get("Content-Encoding"),
                )
        except _Internal:
            raise ReferenceRefused("names a host with an internal address") from None
        except (aiohttp.ClientError, OSError) as error:
            raise TextUnavailable(f"{address.place} cannot be read: {type(error).__name__}") from None

    def _connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(resolver=self._resolver, ssl=self._tls, use_dns_cache=False, force_close=True)


def _session_options() -> dict[str, Any]:
    return {
        # The reader of all texts has the limit of the whole time.
        "timeout": aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
        "auto_decompress": False,
        "cookie_jar": aiohttp.DummyCookieJar(),
        # Neither a proxy nor the passwords in .netrc.
        "trust_env": False,
    }


def _url(address: Address) -> URL:
    return URL(f"{address.place}{address.target}", encoded=True)


def _check_status(status: int) -> None:
    if status == 200:
        return
    if status >= 500 or status in _PASSING_STATUSES:
        raise TextUnavailable(f"the server answers {status}")
    if 300 <= status < 400:
        raise ReferenceRefused("is redirected, and redirects are not followed")
    if status in (401, 403, 404, 410):
        raise ReferenceRefused(f"does not exist, or must not be read by this service (the server answers {status})")
    raise ReferenceRefused(f"cannot be read: the server answers {status}")
