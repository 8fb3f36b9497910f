from collections.abc import Callable
from typing import Any

import pytest

from carteiro.models.interface import ChatModel, StreamingModel
from carteiro.models.prompt import Prompt
from carteiro.models.results import Completion
from carteiro.schemas import PartialReply
from carteiro.worker.model_calls.chat_model_proxy import ChatModelProxy, with_streaming
from carteiro.worker.reply_stream import ReplyStream
from tests.unit.worker.failing_model import ASKED, DONE, FailingModel


class Proxy(ChatModelProxy[ChatModel]):
    def __init__(self, model: Any) -> None:
        self._model = model

    async def complete(self, prompt: Prompt) -> Completion:
        raise NotImplementedError


class StreamingFake(FailingModel):
    """Model that writes `yes` in two pieces."""

    async def stream(self, prompt: Prompt, send: Callable[[str], None]) -> Completion:
        self.prompts.append(prompt)
        for piece in ("ye", "s"):
            send(piece)
        return DONE


@pytest.fixture
def chunks() -> list[PartialReply]:
    return []


@pytest.fixture
def stream(chunks: list[PartialReply]) -> ReplyStream:
    async def send(chunk: PartialReply) -> None:
        chunks.append(chunk)

    return ReplyStream("generate", "t/0/1", send)


@pytest.mark.parametrize("name", ["name", "remote", "is_small", "context_tokens"])
def test_property_is_that_of_the_model(name: str) -> None:
    model, value = FailingModel(), object()
    setattr(model, name, value)
    assert getattr(Proxy(model), name) is value


def test_tokens_are_those_of_the_model() -> None:
    assert Proxy(FailingModel()).count_tokens("four") == 4


async def test_model_is_neither_loaded_nor_closed_by_its_proxy() -> None:
    model = object()  # it has no method that could be called
    await Proxy(model).load()
    await Proxy(model).close()


async def test_streaming_model_sends_its_text_and_returns_the_whole_completion(
    chunks: list[PartialReply], stream: ReplyStream
) -> None:
    model: Any = StreamingFake()
    assert isinstance(model, StreamingModel)
    async with stream:
        assert await with_streaming(model, stream).complete(ASKED) is DONE
        await stream.end()
    assert "".join(chunk.text for chunk in chunks) == "yes"
    assert model.calls == 1


async def test_second_call_makes_the_text_of_the_first_void(chunks: list[PartialReply], stream: ReplyStream) -> None:
    async with stream:
        proxy = with_streaming(StreamingFake(), stream)  # type: ignore[type-var]
        await proxy.complete(ASKED)
        await proxy.complete(ASKED)
        await stream.end()
    (*_, last) = chunks
    assert "".join(chunk.text for chunk in chunks if chunk.attempt == last.attempt) == "yes"


def test_model_that_cannot_stream_stays_as_it_is(stream: ReplyStream) -> None:
    model: Any = FailingModel()
    assert with_streaming(model, stream) is model


def test_model_without_a_stream_stays_as_it_is() -> None:
    model: Any = StreamingFake()
    assert with_streaming(model, None) is model
