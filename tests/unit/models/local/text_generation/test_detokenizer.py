"""The text of a completion, piece by piece."""

import asyncio
import threading
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.local.text_generation.detokenizer import IncrementalDetokenizer, thread_safe_callback
from carteiro.models.stop_sequences import truncate_at_stop
from tests.conftest import eventually


def decode(tokens: Sequence[int]) -> str:
    return bytes(tokens).decode(errors="replace")


PIECES = ["a", "é", " ", "  b", "\n", "STOP", "ST", "OP", "🙂", " x", "\ufffd"]


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.sampled_from([(), ("STOP",), ("b\n", "x")]))
def test_detokenized_pieces_are_the_completion(words: list[str], stop: tuple[str, ...]) -> None:
    """The tokens are the bytes of the text, so a character may have several tokens."""
    tokens = list("".join(words).encode())

    pieces: list[str] = []
    detokenizer = IncrementalDetokenizer(decode, stop, pieces.append)
    for written in range(1, len(tokens)):
        detokenizer.add(tokens[:written])
        so_far = decode(tokens[:written]).strip()
        assert len("".join(pieces)) <= len(so_far)
    detokenizer.finish(tokens)
    assert "".join(pieces) == truncate_at_stop(decode(tokens), stop)[0].strip()


class RevocableSink:
    """Sink that keeps the pieces since the last restart."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.thread = threading.current_thread()

    def __call__(self, text: str) -> None:
        assert threading.current_thread() is self.thread
        self.pieces.append(text)

    def restart(self) -> None:
        self.pieces.clear()


async def test_callback_of_another_thread_runs_on_the_event_loop() -> None:
    sink = RevocableSink()
    with thread_safe_callback(sink) as send:
        await asyncio.to_thread(send, "revoked")
        await asyncio.to_thread(send.restart)  # type: ignore[attr-defined]
        await asyncio.to_thread(send, "a")
        await eventually(lambda: sink.pieces == ["a"])
    await asyncio.to_thread(send, "too late")
    await asyncio.sleep(0)
    assert sink.pieces == ["a"]
