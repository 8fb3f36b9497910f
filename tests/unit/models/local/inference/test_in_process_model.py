"""Loading, timeouts and errors of a model in this process."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from carteiro.models.errors import InvalidPrompt, ModelUnusable, PromptTooLarge, Unavailable
from carteiro.models.local.inference.in_process_model import InProcessModel


class StubModel(InProcessModel):
    """Model that counts its loads."""

    def __init__(self, error: Exception | None = None, timeout: float = 60) -> None:
        super().__init__("local:stub", "/models/stub", timeout)
        self.loads: list[str] = []
        self._error = error

    def _load_weights(self) -> None:
        self.loads.append(threading.current_thread().name)
        if self._error is not None:
            raise self._error

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    async def run(self, work: Callable[[threading.Event], Any]) -> Any:
        return await self._on_thread(work)

    def check(self, tokens: int, limit: int) -> None:
        self._check_input_length(tokens, limit)


@pytest_asyncio.fixture
async def model() -> AsyncIterator[StubModel]:
    stub = StubModel()
    yield stub
    await stub.close()


async def test_model_is_loaded_once_on_its_thread(model: StubModel) -> None:
    assert not model._is_loaded
    await asyncio.gather(model.load(), model.load())
    await model.load()
    assert model.loads == ["local:stub"]
    assert model._is_loaded


@pytest.mark.parametrize(
    ("error", "message"),
    [(ModelUnusable("no weights"), "no weights"), (ValueError("a\nb"), "/models/stub cannot be loaded: a b")],
)
async def test_loading_error_reaches_every_caller(error: Exception, message: str) -> None:
    model = StubModel(error)
    for outcome in await asyncio.gather(model.load(), model.load(), return_exceptions=True):
        assert isinstance(outcome, ModelUnusable)
        assert str(outcome) == message
    assert len(model.loads) == 1
    assert not model._is_loaded
    await model.close()


async def test_work_past_timeout_is_unavailable_and_told_to_stop() -> None:
    model = StubModel(timeout=0.01)
    stopped = threading.Event()

    def work(cancelled: threading.Event) -> None:
        if cancelled.wait(60):
            stopped.set()

    with pytest.raises(Unavailable, match=r"longer than 0\.01 s"):
        await model.run(work)
    assert await asyncio.to_thread(stopped.wait, 60)
    await model.close()


@pytest.mark.parametrize(
    ("error", "expected"),
    [(MemoryError(), Unavailable), (InvalidPrompt("x"), InvalidPrompt), (KeyError("x"), KeyError)],
)
async def test_only_errors_with_a_meaning_are_translated(
    model: StubModel, error: Exception, expected: type[Exception]
) -> None:
    def fail(_: threading.Event) -> None:
        raise error

    with pytest.raises(expected):
        await model.run(fail)


def test_input_above_the_limit_is_too_large() -> None:
    model = StubModel()
    model.check(5, 5)
    with pytest.raises(PromptTooLarge, match="has 6 tokens; local:stub reads 5"):
        model.check(6, 5)
