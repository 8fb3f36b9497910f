"""The accumulator of batch items: it decides when a batch is created. Pure: no Kafka, no provider, no clock."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from carteiro.worker.batch_api.item import BatchItem

_HOUR = 3600.0
_CHECK_SECONDS = 1.0
_MAX_TEXTS = 50_000
"""Maximum number of texts to embed in one batch (https://platform.openai.com/docs/api-reference/batch/create)."""


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """Settings of batches. Times are in seconds."""

    safety_margin: float
    """Time before its deadline at which a request leaves its batch."""
    linger: float
    """Longest time to collect items for a batch."""
    poll_interval: float
    """Time between two reads of a batch's status."""
    max_items: int
    """Maximum number of items of one batch."""
    listing_delay: float = 60.0
    """Time after which a submission with an unknown outcome is in the provider's list, if it succeeded."""
    replay: float = 60.0
    """Time within which a new owner of a partition starts its requests again."""

    @property
    def check_interval(self) -> float:
        """Time between two checks of the calls that wait for a batch."""
        return min(_CHECK_SECONDS, self.poll_interval)


@dataclass(slots=True)
class _PendingBatch:
    created_at: float
    items: list[BatchItem] = field(default_factory=list)
    size: int = 0
    texts: int = 0


class BatchAccumulator:
    """Accumulator of items by model and by time to the deadline.

    Items with similar deadlines share a batch, because the first deadline that is near ends the whole batch.
    `max_bytes` returns the largest size of a model's batch, in bytes.
    """

    def __init__(self, settings: BatchSettings, max_bytes: Callable[[str], int]) -> None:
        self._settings, self._max_bytes = settings, max_bytes
        self._groups: dict[tuple[str, int], _PendingBatch] = {}
        self._full: list[list[BatchItem]] = []
        self._max_items: dict[str, int] = {}
        """Maximum number of items of one batch, for models that accept fewer than the settings allow."""

    def shrink(self, model: str) -> None:
        """Halve the largest number of items of a model's batches."""
        self._max_items[model] = max(self._max_items.get(model, self._settings.max_items) // 2, 1)

    def clear(self) -> None:
        """Remove all items. The largest sizes of batches stay known."""
        self._groups.clear()
        self._full.clear()

    def add(self, item: BatchItem, now: float) -> None:
        """Add an item to the next batch of its model and deadline. `now` is in monotonic seconds."""
        group_key = (item.model, _wait_bucket(item.deadline - now))
        group = self._groups.setdefault(group_key, _PendingBatch(now))
        is_full = group.size + item.size > self._max_bytes(item.model) or group.texts + item.texts > _MAX_TEXTS
        if group.items and is_full:
            self._full.append(group.items)
            group = self._groups[group_key] = _PendingBatch(now)
        group.items.append(item)
        group.size += item.size
        group.texts += item.texts
        if len(group.items) >= self._max_items.get(item.model, self._settings.max_items):
            self._full.append(self._groups.pop(group_key).items)

    def ready(self, now: float) -> list[list[BatchItem]]:
        """Remove and return the batches that are full or have lingered long enough.

        Items whose result is not awaited are left out. `now` is in monotonic seconds.
        """
        ready_keys = [
            group_key for group_key, group in self._groups.items() if now - group.created_at >= self._settings.linger
        ]
        batches = [*self._full, *(self._groups.pop(group_key).items for group_key in ready_keys)]
        self._full = []
        awaited = ([item for item in items if item.is_awaited] for items in batches)
        return [items for items in awaited if items]

    def next_ready_at(self) -> float | None:
        """Return the time of the next batch, in monotonic seconds; None if there are no items."""
        if self._full:
            return 0.0
        return min((group.created_at + self._settings.linger for group in self._groups.values()), default=None)


def _wait_bucket(seconds: float) -> int:
    return math.floor(math.log2(max(seconds, _HOUR / 4) / _HOUR))
