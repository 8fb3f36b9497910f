"""Callers of an embedding model that share calls."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.cloud.shared_calls import SharedCalls
from carteiro.models.errors import InvalidOutput, InvalidPrompt, ModelError, RateLimited, Unavailable
from carteiro.models.interface import BatchLimit
from carteiro.models.prompt import EmbeddingPrompt
from carteiro.models.results import Embeddings
from carteiro.schemas import Usage

BAD = "bad"


class FakeModel:
    """Model whose first call runs until `first_may_end`, and whose callers wait until `may_send`."""

    def __init__(self, most: int = 8) -> None:
        self.calls: list[list[str]] = []
        self.failure: Callable[[Sequence[str]], ModelError | None] = lambda texts: None
        self.may_send, self.first_may_end = asyncio.Event(), asyncio.Event()
        self.shared = SharedCalls(self.send, BatchLimit(most), lambda seconds: self.may_send.wait())

    async def send(self, prompt: EmbeddingPrompt, tokens: int) -> Embeddings:
        self.calls.append(list(prompt.texts))
        if list(prompt.texts) == ["first"]:
            await self.first_may_end.wait()
        if failure := self.failure(list(prompt.texts)):
            raise failure
        assert tokens == sum(map(len, prompt.texts))
        return Embeddings([[float(len(text))] for text in prompt.texts], Usage(input_tokens=tokens))

    async def embed(self, *texts: str, query: bool = False) -> Embeddings:
        prompt = EmbeddingPrompt(texts=texts, input_type="query" if query else "document")
        return await self.shared.embed(prompt, sum(map(len, texts)))

    async def embed_all(self, *callers: Sequence[str]) -> list[Embeddings | BaseException]:
        """Return the results of callers that come while another call runs."""
        first = asyncio.create_task(self.embed("first"))
        await asyncio.sleep(0)
        tasks = [asyncio.create_task(self.embed(*texts)) for texts in callers]
        await asyncio.sleep(0)
        self.may_send.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        self.first_may_end.set()
        await first
        return results


async def test_callers_that_come_while_a_call_runs_share_the_next() -> None:
    model = FakeModel()
    results = await model.embed_all(["a"], ["bb", "ccc"], ["dddd"])
    assert results == [
        Embeddings([[1.0]], Usage(input_tokens=1)),
        Embeddings([[2.0], [3.0]], Usage(input_tokens=5)),
        Embeddings([[4.0]], Usage(input_tokens=4)),
    ]
    assert model.calls == [["first"], ["a", "bb", "ccc", "dddd"]]


@pytest.mark.parametrize(
    ("texts", "query"), [((*"abcde",), False), (("x" * 9_000,), False), (("a",), True)], ids=["many", "long", "search"]
)
async def test_large_calls_and_searches_wait_for_nobody(texts: tuple[str, ...], query: bool) -> None:
    model = FakeModel()
    first = asyncio.create_task(model.embed("first"))
    await asyncio.sleep(0)
    await model.embed(*texts, query=query)
    assert model.calls == [["first"], list(texts)]
    model.first_may_end.set()
    await first


async def test_shared_calls_keep_the_limits_and_the_order() -> None:
    model = FakeModel(most=4)
    await model.embed_all(["a", "b"], ["c"], ["d", "e"], ["f" * 7_999], ["g" * 8_000], ["h" * 8_000])
    assert [[text[0] for text in call] for call in model.calls[1:]] == [["a", "b", "c"], ["d", "e", "f"], ["g", "h"]]


@given(st.lists(st.lists(st.sampled_from(["a", "bb", BAD]), min_size=1, max_size=3), min_size=1, max_size=8))
def test_refused_text_fails_only_its_own_caller(callers: list[list[str]]) -> None:
    async def run() -> None:
        model = FakeModel()
        model.failure = lambda texts: InvalidPrompt("a text is wrong") if BAD in texts else None
        for texts, result in zip(callers, await model.embed_all(*callers), strict=True):
            if BAD in texts:
                assert isinstance(result, InvalidPrompt)
            else:
                assert result == Embeddings(
                    [[float(len(text))] for text in texts], Usage(input_tokens=sum(map(len, texts)))
                )

    asyncio.run(run())


@pytest.mark.parametrize(
    "error", [RateLimited("slower", 3.0), Unavailable("down"), InvalidPrompt("dimensions is not supported")]
)
async def test_error_of_all_texts_is_raised_in_each_caller_after_one_call(error: ModelError) -> None:
    model = FakeModel()
    error.usage = Usage(input_tokens=5)
    model.failure = lambda texts: None if texts == ["first"] else error
    results = await model.embed_all(["a"], ["b"])
    assert len(model.calls) == 2
    assert [type(each) for each in results] == [type(error)] * 2
    assert [getattr(each, "usage", None) for each in results] == [Usage(input_tokens=5), None]
    assert results[0] is not results[1]


async def test_answer_without_vectors_is_paid_once() -> None:
    model = FakeModel()

    def fail_once(texts: Sequence[str]) -> ModelError | None:
        if len(texts) < 2:
            return None
        error = InvalidOutput("no vectors")
        error.usage = Usage(input_tokens=2)
        return error

    model.failure = fail_once
    results = await model.embed_all(["a"], ["b"])
    assert [each.usage.input_tokens for each in results if isinstance(each, Embeddings)] == [3, 1]


async def test_server_that_takes_fewer_texts_gets_fewer() -> None:
    model = FakeModel(most=64)
    model.failure = lambda texts: InvalidPrompt("too many") if len(texts) > 10 else None
    await model.embed_all(*[["a"]] * 20)
    model.calls.clear()
    model.first_may_end.clear()
    await model.embed_all(*[["a"]] * 20)
    assert [len(call) for call in model.calls] == [1, 10, 10]


async def test_cancelled_caller_leaves_the_others_and_closed_model_ends_them() -> None:
    model = FakeModel()
    first = asyncio.create_task(model.embed("first"))
    await asyncio.sleep(0)
    cancelled, other = (asyncio.create_task(model.embed(text)) for text in "ab")
    await asyncio.sleep(0)
    cancelled.cancel()
    model.may_send.set()
    assert (await other).vectors == [[1.0]]
    assert model.calls == [["first"], ["b"]]
    model.may_send.clear()
    closed = asyncio.create_task(model.embed("c"))
    await asyncio.sleep(0)
    await model.shared.close()
    with pytest.raises(Unavailable, match="closed"):
        await closed
    model.first_may_end.set()
    await first
