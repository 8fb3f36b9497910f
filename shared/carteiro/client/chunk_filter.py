"""Order of the chunks of a streamed reply."""

from carteiro.schemas import PartialReply


class ChunkFilter:
    """Filter that lets a chunk pass only if it continues the chunks before it.

    The chunks of a new model call start at 0. A sequence number passes once.
    """

    def __init__(self) -> None:
        self._attempt, self._next = "", 0

    def passes(self, piece: PartialReply) -> bool:
        """True if the chunk is the next one of its call, or the first one of another call."""
        if piece.seq == 0 and piece.attempt != self._attempt:
            self._attempt, self._next = piece.attempt, 0
        if piece.attempt != self._attempt or piece.seq != self._next:
            return False
        self._next += 1
        return True
