"""Calls of a provider's batches and files, over the model's own connection."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from io import BytesIO
from typing import Any, Literal, TypeVar

import httpx2
from pydantic import ValidationError
from pydantic_core import from_json

from carteiro.models.cloud.connection import WITHOUT_CREDENTIAL, ProviderConnection
from carteiro.models.cloud.prepared_post import Headers
from carteiro.models.errors import PromptTooLarge, Unavailable

TRANSFER_SECONDS = 900.0
"""Seconds for the transfer or the processing of a file: 200 MB at 2 Mbit/s. Other calls have the model's timeout."""
MAX_LINES, MAX_BYTES = 50_000, 200 * 10**6
"""Limits of a file at OpenAI, in lines and bytes (https://platform.openai.com/docs/guides/batch). Azure's and Google's
are not lower."""
_LINES_PER_YIELD = 500

T = TypeVar("T")


class Transport:
    """HTTP calls over `connection`. `name` is the callee's name in failures."""

    def __init__(self, connection: ProviderConnection) -> None:
        self._connection = connection
        self.name = f"{connection.name} (batches)"

    async def request_json(
        self,
        method: Literal["get", "post", "delete"],
        url: str,
        parse: Callable[[Any], T],
        *,
        auth_header: str | None = None,
        query: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
    ) -> T:
        """Make one call and return the result of `parse` for the answer's JSON. `auth_header`: see `send`.

        Raise the errors of `carteiro.models.errors`.
        """
        async with self.call_scope():
            response = await self.send(
                method, url, auth_header=auth_header, query=query, make_content=lambda: {"body": body}
            )
            return self.parse_response(response, parse)

    def call_scope(self, seconds: float | None = None) -> AbstractAsyncContextManager[None]:
        """Return a context manager for calls. It bounds their time, by default to the model's timeout, and translates
        exceptions to those of `carteiro.models.errors`.
        """
        return self._connection.translate_errors(seconds, self.name)

    def parse_response(self, response: httpx2.Response, parse: Callable[[Any], T]) -> T:
        """Return the result of `parse` for the answer's JSON. Raise `Unavailable` if `parse` rejects it."""
        try:
            return parse(from_json(response.content))
        except (ValidationError, ValueError) as error:
            raise Unavailable(f"{self.name} answered with something that was not asked for") from error

    async def send(
        self,
        method: Literal["get", "post", "delete"],
        url: str,
        *,
        auth_header: str | None = None,
        authenticated: bool = True,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        make_content: Callable[[], dict[str, Any]] = dict,
        stream: bool = False,
    ) -> httpx2.Response:
        """Return the answer to one call. Call it within `call_scope`: it raises the SDK's errors.

        `auth_header` carries the credential if it is not the endpoint's header. If not `authenticated`, no credential
        is sent. `make_content` returns the SDK's arguments for the content, and is called again for each try. If
        `stream`, only the headers of the answer have been read.
        """
        call: Any = getattr(self._connection.client, method)

        async def once(credential: Headers) -> httpx2.Response:
            sent: dict[str, Any] = {} if method == "get" else make_content()
            options = {"headers": {**credential, **(headers or {})}, "params": query or {}}
            more = {"stream": True} if stream else {}
            response: httpx2.Response = await call(url, cast_to=httpx2.Response, options=options, **sent, **more)
            return response

        return await (
            self._connection.send_authorized(once, auth_header) if authenticated else once(WITHOUT_CREDENTIAL)
        )

    async def download(
        self, url: str, *, auth_header: str | None = None, query: dict[str, str] | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield a file in pieces. The caller's work on a piece does not count towards `TRANSFER_SECONDS`."""
        left = TRANSFER_SECONDS
        async with self.call_scope():
            response = await self.send("get", url, auth_header=auth_header, query=query, stream=True)
        try:
            pieces = response.aiter_bytes()
            while True:
                began = time.monotonic()
                async with self.call_scope(max(left, 0.001)):
                    piece = await anext(pieces, None)
                if piece is None:
                    return
                left -= time.monotonic() - began
                yield piece
                await asyncio.sleep(0)  # Pieces that have already arrived would otherwise keep the event loop busy.
        finally:
            await response.aclose()


async def concatenate(lines: Iterable[bytes]) -> BytesIO:
    """Return a file of these lines. Raise `PromptTooLarge` if it exceeds the limits of a file."""
    file = BytesIO()
    for count, line in enumerate(lines, 1):
        if count > MAX_LINES or file.tell() + len(line) > MAX_BYTES:
            raise PromptTooLarge(f"A batch holds at most {MAX_LINES} requests and {MAX_BYTES // 10**6} MB")
        file.write(line)
        if count % _LINES_PER_YIELD == 0:
            await asyncio.sleep(0)  # Other tasks run in between.
    return file
