"""Detection of a missing topic, and of its return."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aiokafka.errors import KafkaError

from carteiro.concurrency.backoff import Backoff

log = structlog.get_logger("carteiro.kafka")

CHECK_SECONDS = 5.0
_MAX_PAUSE = 60.0
_CHECK_TIMEOUT_SECONDS = 10.0


class TopicWatch:
    """Logs one error if a topic is missing, and checks again after growing pauses.

    `partitions` returns the number of partitions of the topic, 0 if it does not exist, None if that is unknown. It may
    raise `KafkaError`. `advice` says what to create. `create` may make the broker create the topic automatically.
    """

    def __init__(
        self,
        topic: str,
        advice: str,
        partitions: Callable[[], Awaitable[int | None]],
        create: Callable[[], Awaitable[object]] | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._topic, self._advice = topic, advice
        self._partitions, self._create = partitions, create
        self._checked = asyncio.Event()
        self._sleep, self._backoff = sleep, Backoff(2 * CHECK_SECONDS, _MAX_PAUSE, sleep=sleep)
        self.problem: str | None = None
        """A message that the topic is missing, and what to do; None if it exists."""

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await self.check()
            if self.problem is None:
                await self._sleep(CHECK_SECONDS)
            else:
                await self._backoff.pause()

    async def wait_for_check(self) -> str | None:
        """Wait for the first check, and return the problem; None if the topic exists."""
        await self._checked.wait()
        return self.problem

    async def check(self) -> None:
        """Check once."""
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_SECONDS):
                found = await self._partitions()
                if found == 0 and self._create is not None:
                    await self._create()
                    found = await self._partitions()
        except (KafkaError, OSError, TimeoutError) as error:
            log.debug("cannot look for a topic; trying again", topic=self._topic, reason=repr(error))
            return
        self._checked.set()
        if found == 0:
            if self.problem is None:
                self.problem = f"there is no topic {self._topic}: {self._advice}"
                log.error("a topic is missing", topic=self._topic, reason=self.problem)
            return
        if self.problem is not None:
            log.info("a topic that was missing is there", topic=self._topic, partitions=found)
        self.problem = None
        self._backoff.reset()
