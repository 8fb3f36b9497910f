"""Calls with a few texts each, against functions with limits."""

import pytest

from carteiro.models.embedding_batches import embed_in_batches
from carteiro.models.errors import InvalidPrompt, PromptTooLarge, Unavailable
from carteiro.models.interface import BatchLimit
from carteiro.models.results import Embeddings
from carteiro.schemas import Usage

TEXTS = [f"text {number}" for number in range(10)]


class Server:
    """Takes at most `most` texts in a call, and none of `wrong`. A text is a token, and its vector its number."""

    def __init__(self, most: int = 256, wrong: dict[str, Exception] | None = None) -> None:
        self.most, self.wrong = most, wrong or {}
        self.sizes: list[int] = []

    async def embed_batch(self, texts):
        self.sizes.append(len(texts))
        if len(texts) > self.most:
            raise PromptTooLarge("too many")
        for text in texts:
            if text in self.wrong:
                raise self.wrong[text]
        return Embeddings([[float(text.split()[1])] for text in texts], Usage(input_tokens=len(texts)))


def vectors(count: int) -> list[list[float]]:
    return [[float(number)] for number in range(count)]


@pytest.mark.parametrize(("limit", "sizes"), [(256, [10]), (10, [10]), (4, [4, 4, 2]), (1, [1] * 10)])
async def test_calls_have_at_most_as_many_texts_as_the_limit(limit, sizes):
    server = Server()
    embedded = await embed_in_batches(BatchLimit(limit), server.embed_batch, TEXTS)
    assert embedded == Embeddings(vectors(10), Usage(input_tokens=10))
    assert server.sizes == sizes


async def test_limit_of_the_server_is_found_once():
    server, limit = Server(most=3), BatchLimit(256)
    assert (await embed_in_batches(limit, server.embed_batch, TEXTS)).vectors == vectors(10)
    assert limit.texts <= 3
    server.sizes.clear()
    assert (await embed_in_batches(limit, server.embed_batch, TEXTS)).vectors == vectors(10)
    assert max(server.sizes) <= 3


@pytest.mark.parametrize("error", [PromptTooLarge("too long"), InvalidPrompt("no")])
async def test_error_names_the_wrong_text_and_the_limit_stays(error):
    server, limit = Server(wrong={"text 6": error}), BatchLimit(256)
    with pytest.raises(type(error), match=rf"^Text 6, counted from 0: {error}$") as caught:
        await embed_in_batches(limit, server.embed_batch, TEXTS)
    assert limit.texts == 256
    assert server.sizes == [10, 5, 5, 3, 2, 1, 1]
    assert caught.value.usage == Usage(input_tokens=6)


async def test_error_of_the_only_text_names_no_index():
    with pytest.raises(PromptTooLarge, match=r"^too long$"):
        await embed_in_batches(
            BatchLimit(9), Server(wrong={"text 0": PromptTooLarge("too long")}).embed_batch, TEXTS[:1]
        )


@pytest.mark.parametrize("message", ["unknown dimensions", "does not support matryoshka representation"])
async def test_refusal_of_an_option_is_not_blamed_on_a_text(message):
    server = Server(wrong={"text 0": InvalidPrompt(message)})
    with pytest.raises(InvalidPrompt, match=f"^{message}$"):
        await embed_in_batches(BatchLimit(256), server.embed_batch, TEXTS)
    assert server.sizes == [10]


async def test_outage_ends_the_calls_and_carries_what_was_paid():
    server = Server(wrong={"text 5": Unavailable("502")})
    with pytest.raises(Unavailable) as caught:
        await embed_in_batches(BatchLimit(2), server.embed_batch, TEXTS)
    assert server.sizes == [2, 2, 2]
    assert caught.value.usage == Usage(input_tokens=4)
