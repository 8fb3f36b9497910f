"""Calls of a provider's batches and files, over the model's own connection."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from io import BytesIO
from typing import Any, Literal, TypeVar

import httpx2
from pydantic import ValidationError
from pydantic_core import from_json

from carteiro.models.cloud.connection import UNSIGNED, Connection, Headers
from carteiro.models.failures import PromptTooLarge, Unavailable

TRANSFER_SECONDS = 900.0
"""How long a file may take on its way, or until it is processed: 200 MB at 2 Mbit/s. Other calls have the model's
timeout."""
MOST_LINES, MOST_BYTES = 50_000, 200 * 10**6
"""The limits of a file at OpenAI (https://platform.openai.com/docs/guides/batch); Azure's and Google's are no less."""
_LINES_AT_ONCE = 500

T = TypeVar("T")


class Calls:
    """`name` is what failures call what is called."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.name = f"{connection.name} (batches)"

    async def json(
        self,
        method: Literal["get", "post", "delete"],
        url: str,
        read: Callable[[Any], T],
        *,
        header: str | None = None,
        query: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
    ) -> T:
        """What `read` makes of the answer's JSON."""
        async with self.bounded():
            response = await self.send(method, url, header=header, query=query, content=lambda: {"body": body})
            return self.understood(response, read)

    def bounded(self, within: float | None = None) -> AbstractAsyncContextManager[None]:
        """Around calls: bounds their time, and raises what `carteiro.models.failures` names."""
        return self._connection.failures(within, self.name)

    def understood(self, response: httpx2.Response, read: Callable[[Any], T]) -> T:
        """What `read` makes of the answer's JSON. Raises `Unavailable` where that is nothing."""
        try:
            return read(from_json(response.content))
        except (ValidationError, ValueError) as error:
            raise Unavailable(f"{self.name} answered with something that was not asked for") from error

    async def send(
        self,
        method: Literal["get", "post", "delete"],
        url: str,
        *,
        header: str | None = None,
        signed: bool = True,
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        content: Callable[[], dict[str, Any]] = dict,
        stream: bool = False,
    ) -> httpx2.Response:
        """The answer to one call; within `bounded`, and raises the SDK's errors.

        `header` carries the credential where that is another than the endpoint's; without `signed` there is none.
        `content` gives what the SDK takes for content, anew for each try. With `stream` only the headers are there yet.
        """
        call: Any = getattr(self._connection.client, method)

        async def once(credential: Headers) -> httpx2.Response:
            sent: dict[str, Any] = {} if method == "get" else content()
            options = {"headers": {**credential, **(headers or {})}, "params": query or {}}
            more = {"stream": True} if stream else {}
            response: httpx2.Response = await call(url, cast_to=httpx2.Response, options=options, **sent, **more)
            return response

        return await (self._connection.authorized(once, header) if signed else once(UNSIGNED))

    async def download(
        self, url: str, *, header: str | None = None, query: dict[str, str] | None = None
    ) -> AsyncIterator[bytes]:
        """A file, piece by piece. What is done with a piece does not count towards the time it may take."""
        left = TRANSFER_SECONDS
        async with self.bounded():
            response = await self.send("get", url, header=header, query=query, stream=True)
        try:
            pieces = response.aiter_bytes()
            while True:
                began = time.monotonic()
                async with self.bounded(max(left, 0.001)):
                    piece = await anext(pieces, None)
                if piece is None:
                    return
                left -= time.monotonic() - began
                yield piece
                await asyncio.sleep(0)  # pieces that are there already would keep the event loop busy
        finally:
            await response.aclose()


async def joined(lines: Iterable[bytes]) -> BytesIO:
    """A file of these lines. Raises `PromptTooLarge` beyond what a file may hold."""
    file = BytesIO()
    for count, line in enumerate(lines, 1):
        if count > MOST_LINES or file.tell() + len(line) > MOST_BYTES:
            raise PromptTooLarge(f"A batch holds at most {MOST_LINES} requests and {MOST_BYTES // 10**6} MB")
        file.write(line)
        if count % _LINES_AT_ONCE == 0:
            await asyncio.sleep(0)  # others have their turn
    return file
