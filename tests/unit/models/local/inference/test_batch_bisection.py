"""Halves of a failed batch."""

from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.errors import InvalidPrompt, Unavailable
from carteiro.models.local.inference.batch_bisection import single_item_error, split_batch


@given(rows=st.lists(st.integers(), min_size=2, max_size=100))
def test_halves_are_the_batch_and_of_similar_size(rows: list[int]) -> None:
    first, rest = split_batch("local:x", rows, ValueError())
    assert [*first, *rest] == rows
    assert 0 <= len(rest) - len(first) <= 1


def test_every_faulty_row_is_isolated_in_few_batches() -> None:
    batches = 0

    def run(rows: list[int]) -> list[int]:
        nonlocal batches
        batches += 1
        if 13 not in rows:
            return rows
        if len(rows) == 1:
            return []
        return [row for half in split_batch("local:x", rows, ValueError()) for row in run(list(half))]

    assert run(list(range(64))) == [row for row in range(64) if row != 13]
    assert batches == 1 + 12


def test_row_without_enough_memory_is_unavailable() -> None:
    assert isinstance(single_item_error("local:x", MemoryError()), Unavailable)
    error = InvalidPrompt("x")
    assert single_item_error("local:x", error) is error
