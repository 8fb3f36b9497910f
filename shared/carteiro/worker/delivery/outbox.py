"""What a partition's requests have come to, until the broker has confirmed it."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from carteiro.worker.delivery.courier import CALLER_SECONDS, Undelivered
from carteiro.worker.delivery.outcome import Outcome

_PROMPT_SECONDS = 0.5
"""Replies that are under way for longer are stuck: what is begun now is paid again if the worker dies before them."""


class Outbox:
    """Outcomes by the offsets of their requests. They outlive the courier that fails to deliver them: the next one
    is given them all again."""

    def __init__(self) -> None:
        self._unconfirmed: dict[int, Outcome] = {}
        self._unsent: dict[int, Outcome] = {}
        self._any_unsent = asyncio.Event()
        self._awaited: dict[int, asyncio.Future[None]] = {}
        self._late: dict[int, float] = {}
        """Outcomes for a topic that did not answer in time, and since when."""
        self._flowed_at = 0.0
        """When one was last confirmed, or was the first to be under way."""
        self._closed = False

    def __len__(self) -> int:
        """How many are not confirmed."""
        return len(self._unconfirmed)

    @property
    def offsets(self) -> Sequence[int]:
        """Those whose outcome is not confirmed."""
        return list(self._unconfirmed)

    @property
    def stuck(self) -> bool:
        """Whether outcomes wait, and do not get through."""
        return bool(self._unconfirmed) and time.monotonic() - self._flowed_at > _PROMPT_SECONDS

    def put(self, offset: int, outcome: Outcome) -> None:
        """To be delivered."""
        if self._closed:
            return
        if not self._unconfirmed:
            self._flowed_at = time.monotonic()
        self._unconfirmed[offset] = self._unsent[offset] = outcome
        outcome.handed_over()
        self._any_unsent.set()

    def send_again(self) -> None:
        """There is a new courier: all that is not confirmed is to be delivered by it."""
        self._unsent = dict(self._unconfirmed)
        self._any_unsent.set()

    async def next(self, most: int) -> Sequence[Mapping[int, Outcome]]:
        """What to deliver, once there is something: no more than that many together, and each late one alone."""
        await self._any_unsent.wait()
        self._any_unsent.clear()
        outcomes, self._unsent = self._unsent, {}
        together = [offset for offset in outcomes if offset not in self._late]
        offsets = [together[first : first + most] for first in range(0, len(together), most)]
        offsets += [[offset] for offset in outcomes if offset in self._late]
        return [{offset: outcomes[offset] for offset in each} for each in offsets]

    def late(self, outcomes: Mapping[int, Outcome], error: Undelivered) -> None:
        """Some were not confirmed in time. A topic of some caller's choice may have no leader, and must not hold up
        everybody else's replies: after a while another record takes the place of the one for it."""
        now = time.monotonic()
        for offset, record in error.late:
            if now - self._late.setdefault(offset, now) > CALLER_SECONDS:
                outcomes[offset].refused(record, error)

    def confirm(self, offset: int) -> bool:
        """It is where it belongs. False where it was not here: it was sent again while its first confirmation was
        under way, or the partition is somebody else's by now."""
        if self._unconfirmed.pop(offset, None) is None:
            return False
        self._unsent.pop(offset, None)
        self._late.pop(offset, None)
        if (awaited := self._awaited.get(offset)) is not None and not awaited.done():
            awaited.set_result(None)
        self._flowed_at = time.monotonic()
        return True

    async def put_and_wait(self, offset: int, outcome: Outcome) -> None:
        """Return once it is confirmed."""
        confirmed = self._awaited[offset] = asyncio.get_running_loop().create_future()
        try:
            self.put(offset, outcome)
            await confirmed
        finally:
            self._awaited.pop(offset, None)

    def drop(self, finished: Callable[[int], bool]) -> None:
        """Requests that another owner has finished need no outcome of ours."""
        for offset in filter(finished, self.offsets):
            self._late.pop(offset, None)
            self._unconfirmed.pop(offset).delivered()

    def close(self) -> None:
        """Nothing is ours to deliver any more."""
        self._closed = True
        self._unconfirmed.clear()
        self._unsent.clear()
