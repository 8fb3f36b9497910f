"""The stream of a reply: chunks of text that are sent while the model writes."""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Iterator
from types import TracebackType
from typing import Self

import structlog

from carteiro.schemas import PartialReply

log = structlog.get_logger("carteiro.worker")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
"""Seconds between chunks. The first chunk is sent at once; each pause is twice the pause before."""


class ReplyStream:
    """Stream of the chunks of one reply, in order. A chunk is sent after `send` has returned for the chunk before.

    The whole reply follows the chunks. So a chunk that cannot be sent does not fail the request: it ends the stream.
    """

    def __init__(self, task: str, request_id: str, send: Callable[[PartialReply], Awaitable[None]]) -> None:
        self._task, self._request_id, self._send = task, request_id, send
        self._attempt, self._text, self._seq = "", "", 0
        self._has_text, self._ended = asyncio.Event(), asyncio.Event()
        self._send_task: asyncio.Task[None] | None = None

    @property
    def next_seq(self) -> int | None:
        """The number of the whole reply after the chunks; None if nothing was streamed."""
        return None if self._send_task is None else self._seq

    def start_attempt(self) -> "AttemptWriter":
        """Return the writer for a new call of a model. The chunks of earlier calls become void."""
        return AttemptWriter(self)

    def reset(self) -> str:
        """Make all chunks so far void, and return the id of the new attempt."""
        self._attempt, self._text, self._seq = secrets.token_hex(4), "", 0
        return self._attempt

    def append(self, attempt: str, text: str) -> None:
        """Send a text soon, if the attempt is the current one."""
        if attempt == self._attempt and text:
            self._text += text
            self._has_text.set()
            self._send_task = self._send_task or asyncio.create_task(self._send_chunks())

    def is_current(self, attempt: str) -> bool:
        """Return True if no other attempt has begun."""
        return attempt == self._attempt

    async def end(self) -> None:
        """Return when all text is sent."""
        self._ended.set()
        self._has_text.set()
        if self._send_task is not None:
            await self._send_task

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._send_task is not None:
            self._send_task.cancel()
            await asyncio.gather(self._send_task, return_exceptions=True)

    async def _send_chunks(self) -> None:
        for pause in pauses():
            await self._has_text.wait()
            self._has_text.clear()
            if self._text:
                text, self._text, attempt = self._text, "", self._attempt
                chunk = PartialReply(
                    task=self._task, request_id=self._request_id, attempt=attempt, seq=self._seq, text=text
                )
                self._seq += 1
                try:
                    await self._send(chunk)
                except Exception as error:  # noqa: BLE001  # the whole reply follows
                    log.warning("a chunk of a reply cannot be sent; no more are", reason=repr(error))
                    return
            if self._ended.is_set() and not self._text:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), pause)


def pauses() -> Iterator[float]:
    """Yield the seconds to wait after each chunk, without end."""
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 2, _LONGEST_PAUSE)


class AttemptWriter:
    """Writer for the text of one call of a model. After another call has begun, its text is not sent."""

    def __init__(self, stream: ReplyStream) -> None:
        self._stream = stream
        self._attempt_id = stream.reset()

    def __call__(self, text: str) -> None:
        self._stream.append(self._attempt_id, text)

    def restart(self) -> None:
        """Make the text so far void: it was reasoning, and the answer begins now."""
        if self._stream.is_current(self._attempt_id):
            self._attempt_id = self._stream.reset()
