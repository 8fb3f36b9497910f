"""The number of outcomes in one transaction adapts to the broker."""

from hypothesis import given
from hypothesis import strategies as st

from carteiro.worker.delivery.transaction_size import TransactionSize


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_transactions_shrink_until_they_succeed_and_grow_back(fits: int, backlog: int) -> None:
    size, tries = TransactionSize(1000), 0
    while (tried := min(size.limit, backlog)) > fits:
        size.on_timeout(tried)
        tries += 1
    assert tries <= 10
    assert tried >= 1
    for _ in range(60):
        size.on_success(size.limit)
    assert size.limit == 1000


def test_transaction_size_never_shrinks_below_one() -> None:
    size = TransactionSize(10)
    for _ in range(10):
        size.on_timeout(size.limit)
    assert size.limit == 1
