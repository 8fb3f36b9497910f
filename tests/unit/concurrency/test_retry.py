import pytest

from carteiro.concurrency.retry import retry_while_away


class Away(Exception):
    pass


async def test_work_is_tried_until_the_service_is_back_and_the_first_failure_is_told() -> None:
    failures, told, pauses = [Away(str(number)) for number in range(6)], list[str](), list[float]()

    async def work() -> str:
        if failures:
            raise failures.pop(0)
        return "done"

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    assert await retry_while_away(work, Away, lambda error: told.append(str(error)), sleep) == "done"
    assert told == ["0"]
    assert len(pauses) == 6
    assert pauses[0] <= 1 < pauses[5] <= 30


async def test_other_errors_are_raised_at_once() -> None:
    async def work() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await retry_while_away(work, Away, lambda _: pytest.fail("it is not away"))


async def test_failure_after_the_patience_for_it_is_raised() -> None:
    now, pauses = 100.0, list[float]()

    async def work() -> None:
        raise Away

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        pauses.append(seconds)

    with pytest.raises(Away):
        await retry_while_away(work, Away, lambda _: None, sleep, patience=lambda _: 60.0, clock=lambda: now)
    assert sum(pauses[:-1]) < 60 <= sum(pauses)
