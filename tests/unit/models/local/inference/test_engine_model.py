"""Errors of engines."""

import threading
from pathlib import Path

import pytest

from carteiro.models.errors import InvalidPrompt, Unavailable
from carteiro.models.local.inference.engine_model import EngineModel


class StubEngine(EngineModel):
    """Engine that fails."""

    def _load_weights(self) -> None: ...

    def count_tokens(self, text: str) -> int:
        return len(text)

    async def fail(self, error: Exception) -> None:
        def work(_: threading.Event) -> None:
            raise error

        await self._on_thread(work)


@pytest.mark.parametrize(
    ("error", "expected", "message"),
    [
        (RuntimeError("one line\nand another"), Unavailable, "the model openvino:x failed: one line and another"),
        (KeyError("x"), Unavailable, "the model openvino:x failed: 'x'"),
        (MemoryError(), Unavailable, "the model openvino:x ran out of memory"),
        (InvalidPrompt("no prompt"), InvalidPrompt, "no prompt"),
    ],
)
async def test_every_error_becomes_a_model_error(
    tmp_path: Path, error: Exception, expected: type[Exception], message: str
) -> None:
    model = StubEngine("openvino:x", str(tmp_path), 60)
    with pytest.raises(expected) as caught:
        await model.fail(error)
    assert str(caught.value) == message
    await model.close()
