import asyncio
import itertools
from collections.abc import Callable, Sequence

import pytest
from aiokafka.errors import KafkaConnectionError
from structlog.testing import capture_logs

from carteiro.kafka.topic_watch import CHECK_SECONDS, TopicWatch


class FakeTopic:
    """Topic with the next of `answers` as its number of partitions. The last answer is repeated."""

    def __init__(self, *answers: int | Exception | None) -> None:
        self.answers: Sequence[int | Exception | None] = answers
        self.checks = 0

    async def partitions(self) -> int | None:
        answer = self.answers[min(self.checks, len(self.answers) - 1)]
        self.checks += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_missing_topic_is_a_problem_until_it_exists_and_is_logged_once() -> None:
    topic = FakeTopic(0, 0, 3)
    watch = TopicWatch("t", "create it", topic.partitions)
    with capture_logs() as lines:
        for problem in ("there is no topic t: create it", "there is no topic t: create it", None):
            await watch.check()
            assert watch.problem == problem
    assert [line["log_level"] for line in lines] == ["error", "info"]


@pytest.mark.parametrize("error", [KafkaConnectionError(), OSError(), TimeoutError()])
async def test_failed_check_changes_nothing(error: Exception) -> None:
    watch = TopicWatch("t", "create it", FakeTopic(0, error).partitions)
    await watch.check()
    await watch.check()
    assert watch.problem is not None


async def test_unknown_number_of_partitions_is_no_problem() -> None:
    watch = TopicWatch("t", "create it", FakeTopic(None).partitions)
    await watch.check()
    assert watch.problem is None


async def test_topic_that_the_broker_creates_at_a_lookup_is_no_problem() -> None:
    topic, creations = FakeTopic(0, 1), list[int]()

    async def create() -> None:
        creations.append(topic.checks)

    watch = TopicWatch("t", "create it", topic.partitions, create)
    await watch.check()
    assert watch.problem is None
    assert creations == [1]


async def test_first_check_that_succeeds_ends_the_wait_for_it() -> None:
    watch = TopicWatch("t", "create it", FakeTopic(OSError(), 0).partitions)
    waiting = asyncio.create_task(watch.wait_for_check())
    await watch.check()
    await asyncio.sleep(0)
    assert not waiting.done()
    await watch.check()
    assert await waiting == "there is no topic t: create it"


def recorded_pauses(topic: FakeTopic, count: int) -> tuple[list[float], Callable[[], TopicWatch]]:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == count:
            raise asyncio.CancelledError

    return pauses, lambda: TopicWatch("t", "create it", topic.partitions, sleep=sleep)


async def test_pauses_grow_while_the_topic_is_missing() -> None:
    pauses, make_watch = recorded_pauses(FakeTopic(*[0] * 10, 1), 12)
    with pytest.raises(asyncio.CancelledError):
        await make_watch().run()
    missing, existing = pauses[:10], pauses[10:]
    assert missing[0] <= 2 * CHECK_SECONDS
    assert all(earlier <= later for earlier, later in itertools.pairwise(missing[:3]))
    assert 30 <= max(missing) <= 60
    assert existing == [CHECK_SECONDS] * 2
