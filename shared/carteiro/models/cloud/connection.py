"""The HTTP client of one model: its connections, its credential, and what is raised where a call fails."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from openai import APIStatusError, AsyncOpenAI, DefaultAioHttpClient, Omit, Timeout
from pydantic import ValidationError

from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.errors import failure_of, refuses_credential
from carteiro.models.failures import Misconfigured, ModelFailure, Unavailable

_CONNECT_SECONDS = 5.0

Headers = dict[str, str | Omit]
UNSIGNED: Headers = {"Authorization": Omit()}
"""Headers without a credential; left to itself the SDK would send one."""

T = TypeVar("T")


class Connection:
    """`name` is what failures call what is called. `client` makes the calls, with the headers that `authorized` gives.

    Connections are kept open between calls and given back by `close`.
    """

    def __init__(self, name: str, endpoint: Endpoint, timeout: float) -> None:
        self.name = name
        self.endpoint = endpoint
        self.timeout = timeout
        self.client = AsyncOpenAI(
            # Both always given: the SDK would look in the environment, and send OpenAI's key to any server.
            base_url=endpoint.url,
            api_key="none",
            max_retries=0,
            timeout=Timeout(None, connect=min(timeout, _CONNECT_SECONDS)),
            # A redirect would take `api-key` along to another host, or make a GET of the call.
            http_client=DefaultAioHttpClient(follow_redirects=False),
        )
        if not endpoint.openai:
            self.client.organization = self.client.project = None

    async def close(self) -> None:
        """Close the connections. Calls still in flight fail."""
        await self.client.close()
        await self.endpoint.credential.close()

    async def authorized(self, send: Callable[[Headers], Awaitable[T]], header: str | None = None) -> T:
        """What `send` gives, which is called with the headers that carry the credential: the endpoint's own header,
        or `header`. A refused credential is tried again if there is another by now.
        """
        secret = await self.endpoint.credential.secret()
        try:
            return await send(self._headers(secret, header))
        except APIStatusError as error:
            if not refuses_credential(error):
                raise
            renewed = await self.endpoint.credential.secret(refused=secret)
            if renewed == secret:
                raise
        return await send(self._headers(renewed, header))

    def _headers(self, secret: str, header: str | None) -> Headers:
        header = header or self.endpoint.header
        headers = dict(UNSIGNED)
        if secret:
            headers[header] = f"Bearer {secret}" if header == "Authorization" else secret
        return headers

    @asynccontextmanager
    async def failures(self, within: float | None = None, name: str | None = None) -> AsyncIterator[None]:
        """Around a call: bounds its time, and raises what `carteiro.models.failures` names for what goes wrong.

        `within` is in seconds, and `timeout` without it; `name` is what the failure calls what was called.
        """
        within, name = within or self.timeout, name or self.name
        try:
            async with asyncio.timeout(within):
                yield
        except TimeoutError as error:
            raise Unavailable(f"{name} gave no complete answer within {within:g} s") from error
        except ModelFailure:
            raise
        except ValidationError as error:
            raise self.no_completion() from error
        except Exception as error:  # noqa: BLE001 - the SDK's transport lets errors of aiohttp and others through
            failure = failure_of(error, name, self.endpoint)
            # OpenAI's answer to a wrong key echoes parts of it: no traceback may show that.
            raise failure from (None if isinstance(failure, Misconfigured) else error)

    def no_completion(self) -> Unavailable:
        """The failure for an answer that is something else."""
        return Unavailable(f"{self.name} answered with something that is not a completion")
