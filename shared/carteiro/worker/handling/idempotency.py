"""Replies to requests that are sent twice under one `idempotency_key`: the model is called once."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from carteiro.concurrency.single_flight import SingleFlight
from carteiro.schemas import OkReply
from carteiro.worker.handling.expiring_store import ExpiringStore

AnyOkReply = OkReply[Any]


class IdempotencyKeyConflict(Exception):
    """Another request was sent under the same key before."""


def idempotency_scope(
    topic: str, partition: int, record_key: bytes | None, idempotency_key: bytes, body: bytes
) -> bytes:
    """Return a digest of 32 bytes. Requests with equal digests share one idempotency key.

    The record key is part of the digest: a sender with another record key can neither block nor read the reply.
    Senders without a record key are indistinguishable, so for them the body is part of the digest instead.
    """
    owner = b"key " + record_key if record_key is not None else b"body " + body
    parts = (topic.encode(), b"%d" % partition, owner, idempotency_key)
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


@dataclass(frozen=True, slots=True)
class _FirstReply:
    body_digest: bytes
    reply: AnyOkReply


class IdempotencyStore:
    """Replies of the last `seconds` seconds, in memory. The next owner of a partition does not have them.

    One worker serves all requests of a partition. So a repeated request needs the record key, or the partition, of the
    first request.
    """

    def __init__(self, seconds: float) -> None:
        self._replies: ExpiringStore[_FirstReply] = ExpiringStore(seconds)
        self._in_flight: SingleFlight[_FirstReply] = SingleFlight()
        """Requests in flight. They do not expire: a request may take a day."""
        self._bodies_in_flight: dict[bytes, bytes] = {}
        """Digests of their bodies."""

    async def run_once(
        self, scope: bytes, body: bytes, compute: Callable[[], Awaitable[AnyOkReply]]
    ) -> tuple[AnyOkReply, bool]:
        """Return the reply to the first request of a scope, and True if this request repeats it.

        `body` tells a repeated request from another one. `compute` is called only for the first request. Its error is
        not stored, so the request may be tried again. Raise `IdempotencyKeyConflict` if the first request had another
        body, and any error of `compute`.
        """
        digest = hashlib.sha256(body).digest()
        if self._bodies_in_flight.get(scope, digest) != digest:
            raise IdempotencyKeyConflict
        first, repeated = self._replies.get(scope), True
        if first is None:
            first, repeated = await self._in_flight.run(scope, partial(self._compute, scope, digest, compute))
        if first.body_digest != digest:
            raise IdempotencyKeyConflict
        return first.reply, repeated

    async def _compute(
        self, scope: bytes, body_digest: bytes, compute: Callable[[], Awaitable[AnyOkReply]]
    ) -> _FirstReply:
        self._bodies_in_flight[scope] = body_digest
        try:
            first = _FirstReply(body_digest, await compute())
        finally:
            del self._bodies_in_flight[scope]
        self._replies.put(scope, first, len(first.reply.model_dump_json()))
        return first
