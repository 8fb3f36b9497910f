"""Vectors of texts that are longer than a model's context."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.interface import EmbeddingModel
from carteiro.models.long_text_embedding import embed_long_texts
from carteiro.models.prompt import InputType
from carteiro.models.results import Embeddings
from carteiro.schemas import Usage


class LetterModel(EmbeddingModel):
    """Embeds a text by its first letter, and takes texts of at most 8 characters."""

    name = "letters"
    remote = is_small = False
    context_tokens: int | None = 8

    def __init__(self) -> None:
        self.embedded: list[str] = []

    async def load(self) -> None: ...

    async def close(self) -> None: ...

    def count_tokens(self, text: str) -> int:
        return len(text)

    async def embed(
        self, texts: Sequence[str], *, input_type: InputType | None = None, dimensions: int | None = None
    ) -> Embeddings:
        self.embedded += texts
        return Embeddings([[1.0, 0.0] if each[:1] == "a" else [0.0, 1.0] for each in texts], Usage(input_tokens=7))


@given(st.lists(st.text(alphabet="ab ", max_size=40), max_size=6))
async def test_parts_are_short_and_are_the_texts_in_order(texts: list[str]) -> None:
    model = LetterModel()
    found = await embed_long_texts(model, texts)
    assert "".join(model.embedded) == "".join(texts)
    assert all(len(part) <= 8 for part in model.embedded)
    assert len(found.vectors) == len(texts)
    assert all(sum(each * each for each in vector) == pytest.approx(1) for vector in found.vectors)


async def test_long_text_has_the_mean_of_its_parts_and_a_short_one_its_own_vector() -> None:
    found = await embed_long_texts(LetterModel(), ["aaaaaaaa", "aaaaa. bbbbbb"])
    assert found.vectors[0] == [1.0, 0.0]
    assert list(found.vectors[1]) == pytest.approx([0.5**0.5, 0.5**0.5])
    assert found.usage == Usage(input_tokens=7)
