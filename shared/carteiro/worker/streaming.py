"""Pieces of a reply that are sent while the model still writes."""

import asyncio
import contextlib
import functools
import secrets
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import structlog

from carteiro.schemas import PartialReply

log = structlog.get_logger("carteiro.worker")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
"""Seconds between pieces: the first goes at once, and each pause is twice the one before."""


class Stream:
    """The pieces of one request's reply, in order: each is sent when `send` has returned for the one before.

    The whole reply follows them, so a piece that cannot be sent is no reason to fail: no more are sent then.
    """

    def __init__(self, task: str, request_id: str, send: Callable[[PartialReply], Awaitable[None]]) -> None:
        self._task, self._request_id, self._send = task, request_id, send
        self._attempt, self._text, self._seq = "", "", 0
        self._written, self._over = asyncio.Event(), asyncio.Event()
        self._sending: asyncio.Task[None] | None = None

    @property
    def next_seq(self) -> int | None:
        """The number that the whole reply has; None where nothing was streamed."""
        return None if self._sending is None else self._seq

    def begin(self) -> Callable[[str], None]:
        """A call of a model begins. What is returned is given what it writes; an earlier call's pieces are void."""
        self._attempt, self._text, self._seq = secrets.token_hex(4), "", 0
        return functools.partial(self._say, self._attempt)

    async def end(self) -> None:
        """Return when all that was written is sent."""
        self._over.set()
        self._written.set()
        if self._sending is not None:
            await self._sending

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)

    def _say(self, attempt: str, text: str) -> None:
        if attempt == self._attempt and text:
            self._text += text
            self._written.set()
            self._sending = self._sending or asyncio.create_task(self._send_all())

    async def _send_all(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            await self._written.wait()
            self._written.clear()
            if self._text:
                text, self._text, attempt = self._text, "", self._attempt
                piece = PartialReply(
                    task=self._task, request_id=self._request_id, attempt=attempt, seq=self._seq, text=text
                )
                self._seq += 1
                try:
                    await self._send(piece)
                except Exception as error:  # noqa: BLE001  # the whole reply is still to come
                    log.warning("a piece of a reply cannot be sent; no more are", reason=repr(error))
                    return
            if self._over.is_set() and not self._text:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
