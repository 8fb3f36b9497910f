"""The cache of replies for equal requests that set `options.cache`."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

import structlog
from pydantic import ValidationError

from carteiro.concurrency.single_flight import SingleFlight
from carteiro.schemas import OkReply, Request, Usage, reply_type
from carteiro.schemas.attachment import Attachment
from carteiro.schemas.collection import CollectionRequest
from carteiro.schemas.large_content import find_content
from carteiro.worker.handling.expiring_store import ExpiringStore

log = structlog.get_logger("carteiro.worker")

AnyOkReply = OkReply[Any]
_POLL_SECONDS = 0.05
_WAYS_OF_CALLING = {"service_tier", "prompt_cache_key"}
"""Options that change the price of a reply, and not the reply."""


class CacheBackend(Protocol):
    """Protocol between the reply cache and a store that workers share.

    A method may raise any error. The reply cache then calls the model.
    """

    async def get(self, key: bytes) -> bytes | None:
        """Return the value under the key; None if there is no value."""

    async def lock(self, key: bytes) -> bool:
        """Take the lock of the key. Return True if the caller has it and computes the value; other callers wait."""

    async def store(self, key: bytes, value: bytes | None) -> None:
        """Store the computed value, unless it is None, and release the lock."""

    async def close(self) -> None:
        """Disconnect."""


class ReplyCache:
    """Cache of replies: in the memory of this process, and in a backend that workers share if there is one.

    Equal requests that arrive while the first one is in flight wait for its reply. So many of them cost one call.
    """

    def __init__(self, seconds: float, backend: CacheBackend | None = None) -> None:
        self._replies: ExpiringStore[AnyOkReply] = ExpiringStore(seconds)
        self._in_flight: SingleFlight[tuple[AnyOkReply, bool]] = SingleFlight()
        self._backend = backend

    async def get_or_compute(
        self, request: Request[Any], models: list[str], compute: Callable[[], Awaitable[AnyOkReply]]
    ) -> tuple[AnyOkReply, bool]:
        """Return the reply, and True if it comes from the cache. A cached reply has no usage.

        `models` are the names of the models that may answer. `compute` is called if no equal request is cached. Raise
        any error of `compute`; an error is not stored.
        """
        key = cache_key(request, models)
        reply, cached = self._replies.get(key), True
        if reply is None:
            (reply, from_backend), shared = await self._in_flight.run(
                key, partial(self._compute, key, type(request), compute)
            )
            cached = from_backend or shared
        if cached:
            reply = reply.model_copy(update={"cached": True, "usage": Usage()})
        return reply, cached

    async def close(self) -> None:
        """Disconnect from the backend."""
        if self._backend is not None:
            await self._backend.close()

    async def _compute(
        self, key: bytes, request_type: type[Request[Any]], compute: Callable[[], Awaitable[AnyOkReply]]
    ) -> tuple[AnyOkReply, bool]:
        """Return a new reply and store it in memory. Return also True if the reply comes from the backend."""
        if self._backend is None:
            reply, from_backend = await compute(), False
        else:
            reply, from_backend = await self._get_or_compute_shared(self._backend, key, request_type, compute)
        self._replies.put(key, reply, len(reply.model_dump_json()))
        return reply, from_backend

    async def _get_or_compute_shared(
        self,
        backend: CacheBackend,
        key: bytes,
        request_type: type[Request[Any]],
        compute: Callable[[], Awaitable[AnyOkReply]],
    ) -> tuple[AnyOkReply, bool]:
        try:
            while (stored := await backend.get(key)) is None and not await backend.lock(key):  # noqa: ASYNC110
                await asyncio.sleep(_POLL_SECONDS)
        except Exception as error:  # noqa: BLE001  # a broken cache costs one call, and must not fail the request
            log.warning("the cache cannot be used", reason=repr(error))
            return await compute(), False
        if stored is not None and (reply := _parse_reply(request_type, stored)) is not None:
            return reply, True
        value = None
        try:
            reply = await compute()
            value = reply.model_dump_json().encode()
        finally:
            try:
                await asyncio.shield(backend.store(key, value))
            except Exception as error:  # noqa: BLE001  # the reply is there without the cache
                log.warning("the cache cannot be used", reason=repr(error))
        return reply, False


def cache_key(request: Request[Any], models: list[str]) -> bytes:
    """Return a digest of 32 bytes of the task, the names of the models that may answer, and the request.

    The passages and files that were found for a request are a part of it: documents change.
    """
    files = (each.media.data for _, each in find_content(request) if isinstance(each, Attachment) and each.media)
    passages = map(repr, request.passages) if isinstance(request, CollectionRequest) else ()
    asked = request.model_dump_json(exclude={"options": _WAYS_OF_CALLING})
    text = "\n".join([request.task, *models, asked, *passages, *files])
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def _parse_reply(request_type: type[Request[Any]], stored: bytes) -> AnyOkReply | None:
    try:
        reply = reply_type(request_type.result).validate_json(stored)
    except ValidationError:
        return None
    return reply if isinstance(reply, OkReply) else None
