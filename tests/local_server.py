"""HTTP servers of tests, each on a free port of this machine."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Self

from aiohttp import web


class LocalServer(ABC):
    """Base of the servers. `async with Subclass() as server` listens, and `server.url` is the address."""

    path: ClassVar[str] = ""
    """Path at the end of `url`."""
    cancels_handlers: ClassVar[bool] = False
    """True to cancel the answer to a client that has left."""
    max_body_bytes: ClassVar[int] = 2**20

    @abstractmethod
    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return the routes and their handlers."""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=self.max_body_bytes)
        app.add_routes(self.routes())
        self._runner = web.AppRunner(
            app, handler_cancellation=self.cancels_handlers, shutdown_timeout=0.1, access_log=None
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}{self.path}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
