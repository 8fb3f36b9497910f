"""Replies that are given again to equal requests which ask for it with `options.cache`."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog
from pydantic import ValidationError

from carteiro.schemas import OkReply, Request, Usage, reply_type
from carteiro.worker.remembering.repeats import Repeats

log = structlog.get_logger("carteiro.worker")

Answer = OkReply[Any]
_ASK_SECONDS = 0.05


class Shelf(Protocol):
    """Where workers leave replies for each other. May raise anything: then there is no reply to be had from it."""

    async def take(self, key: bytes) -> bytes | None:
        """What was left under the key."""

    async def claim(self, key: bytes) -> bool:
        """Whether the caller is the one that fetches what belongs there; the others wait for it."""

    async def leave(self, key: bytes, value: bytes | None) -> None:
        """Leave what was fetched, None for nothing, and the claim with it."""

    async def close(self) -> None:
        """Disconnect."""


class Cache:
    """Replies by all that they depend on: in this process, and on a shelf that workers share where there is one.

    Equal requests that come while the first is being answered wait for its answer: many at once cost one call.
    """

    def __init__(self, seconds: float, shelf: Shelf | None = None) -> None:
        self._near = Repeats(seconds)
        self._shelf = shelf

    async def through(
        self, request: Request[Any], models: list[str], answer: Callable[[], Awaitable[Answer]]
    ) -> tuple[Answer, bool]:
        """The reply to an equal request, at no cost, or what `answer` gives; and whether it is the former.

        Raises what `answer` does; a failure is not kept.
        """
        key = key_of(request, models)
        far = False

        async def fetch() -> Answer:
            nonlocal far
            if self._shelf is None:
                return await answer()
            reply, far = await self._from_shelf(self._shelf, key, type(request), answer)
            return reply

        reply, near = await self._near.once(("", 0, key), key, fetch)
        if near or far:
            return reply.model_copy(update={"cached": True, "usage": Usage()}), True
        return reply, False

    async def close(self) -> None:
        """Disconnect from the shelf."""
        if self._shelf is not None:
            await self._shelf.close()

    async def _from_shelf(
        self, shelf: Shelf, key: bytes, kind: type[Request[Any]], answer: Callable[[], Awaitable[Answer]]
    ) -> tuple[Answer, bool]:
        try:
            while (kept := await shelf.take(key)) is None and not await shelf.claim(key):  # noqa: ASYNC110
                await asyncio.sleep(_ASK_SECONDS)
        except Exception as error:  # noqa: BLE001  # a cache that is away costs a call, not a request
            log.warning("the cache cannot be used", reason=repr(error))
            return await answer(), False
        if kept is not None and (reply := _read(kind, kept)) is not None:
            return reply, True
        value = None
        try:
            reply = await answer()
            value = reply.model_dump_json().encode()
        finally:
            try:
                await asyncio.shield(shelf.leave(key, value))
            except Exception as error:  # noqa: BLE001  # the same
                log.warning("the cache cannot be used", reason=repr(error))
        return reply, False


def key_of(request: Request[Any], models: list[str]) -> bytes:
    """A digest of the task, the models it may be answered by, and the request; 32 bytes."""
    whole = "\n".join([request.task, *models, request.model_dump_json()])
    return hashlib.sha256(whole.encode(errors="surrogatepass")).digest()


def _read(kind: type[Request[Any]], kept: bytes) -> Answer | None:
    try:
        reply = reply_type(kind.result).validate_json(kept)
    except ValidationError:
        return None
    return reply if isinstance(reply, OkReply) else None
