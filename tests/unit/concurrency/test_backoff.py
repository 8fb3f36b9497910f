from hypothesis import given
from hypothesis import strategies as st

from carteiro.concurrency.backoff import Backoff


def test_limit_of_the_pauses_doubles_until_the_longest() -> None:
    backoff = Backoff(0.5, 3.0, uniform=lambda low, high: high)
    assert [backoff.next_pause() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_pause_is_random_between_half_of_its_limit_and_the_limit() -> None:
    asked: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return low

    Backoff(2.0, 8.0, uniform=uniform).next_pause()
    assert asked == [(1.0, 2.0)]


def test_reset_starts_again_with_the_first_pause() -> None:
    backoff = Backoff(1.0, 60.0, uniform=lambda low, high: high)
    backoff.next_pause()
    backoff.next_pause()
    backoff.reset()
    assert backoff.next_pause() == 1.0


async def test_pause_waits_for_the_next_pause() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    backoff = Backoff(1.0, 60.0, uniform=lambda low, high: high, sleep=sleep)
    await backoff.pause()
    await backoff.pause()
    assert slept == [1.0, 2.0]


@given(failures=st.integers(0, 5000))
def test_no_number_of_failures_overflows(failures: int) -> None:
    backoff = Backoff(0.2, 30.0)
    backoff.failures = failures
    assert 0.1 <= backoff.next_pause() <= 30.0
