"""The limit of every minute."""

from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.cloud.quota.rate_limit_headers import MINUTE
from carteiro.models.cloud.quota.sliding_window import SlidingWindow

AMOUNTS = st.integers(1, 100)


@given(st.lists(st.tuples(st.integers(0, 40), AMOUNTS), max_size=60), st.integers(100, 300))
def test_no_minute_has_more_than_the_limit(calls: list[tuple[int, int]], limit: int) -> None:
    window, now, spent = SlidingWindow(), 0.0, list[tuple[float, int]]()
    for idle, amount in calls:
        now += idle
        while (wait := window.wait(now, amount, limit)) > 0:
            assert wait <= MINUTE
            now += wait
        window.spend(now, amount)
        spent.append((now, amount))
        assert sum(amount for at, amount in spent if at > now - MINUTE) <= limit


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=30))
def test_corrected_amounts_count_and_expire(charges: list[tuple[int, int]]) -> None:
    window = SlidingWindow()
    made = [window.spend(float(at), amount) for at, (amount, _) in enumerate(charges)]
    for charge, (_, corrected) in zip(made, charges, strict=True):
        window.correct(charge, corrected)
    assert window.amount_spent(29.0) == sum(corrected for _, corrected in charges)
    assert window.amount_spent(made[-1].at + MINUTE) == 0
    window.correct(made[0], 1000)
    assert window.amount_spent(made[-1].at + MINUTE) == 0


def test_amount_above_the_limit_waits_until_nothing_else_counts() -> None:
    window = SlidingWindow()
    assert window.wait(0.0, 500, 100) == 0
    window.spend(0.0, 1)
    window.spend(10.0, 1)
    assert window.wait(20.0, 500, 100) == 50.0
