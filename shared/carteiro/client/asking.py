"""A call of the client, which is begun by awaiting it, or by going through what it streams."""

from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from carteiro.schemas import OkReply, PartialReply

ResultT = TypeVar("ResultT", bound=BaseModel)


class Asking(Generic[ResultT]):
    """`await` it for the reply. `async for` gives the pieces of a streamed reply, and the whole reply last.

    Nothing is sent before either. Both raise what the client says of its calls.
    """

    def __init__(
        self,
        reply: Callable[[], Coroutine[Any, Any, OkReply[ResultT]]],
        pieces: Callable[[], AsyncIterator[PartialReply | OkReply[ResultT]]],
    ) -> None:
        self.reply = reply
        """Awaits the reply, as a coroutine function."""
        self._pieces = pieces

    def __await__(self) -> Generator[Any, None, OkReply[ResultT]]:
        return self.reply().__await__()

    def __aiter__(self) -> AsyncIterator[PartialReply | OkReply[ResultT]]:
        return self._pieces()


class InOrder:
    """Lets those pieces pass that go on from the ones before: a new call's from 0, each number once."""

    def __init__(self) -> None:
        self._attempt, self._next = "", 0

    def passes(self, piece: PartialReply) -> bool:
        """Whether the piece is of use."""
        if piece.seq == 0 and piece.attempt != self._attempt:
            self._attempt, self._next = piece.attempt, 0
        if piece.attempt != self._attempt or piece.seq != self._next:
            return False
        self._next += 1
        return True
