"""The items of one batch that calls wait for."""

from collections.abc import Callable, Iterable, Sequence

from carteiro.models.cloud.batch_api.interface import BatchItemResult
from carteiro.worker.batch_api.item import BatchItem, offset_of


class JobItems:
    """Items of a batch with `item_ids`. `is_finished` returns True if the request at an offset is finished."""

    def __init__(
        self, item_ids: Iterable[str], is_finished: Callable[[int], bool], items: Sequence[BatchItem] = ()
    ) -> None:
        self._is_finished = is_finished
        self._items = {item.id: item for item in items}
        self.set_ids(item_ids)

    def set_ids(self, item_ids: Iterable[str]) -> None:
        """Replace the ids of the batch's items."""
        self._offsets = {offset_of(each) for each in item_ids}

    def attach(self, item: BatchItem) -> BatchItem:
        """Return the item with the same id; it gets the result. Add this item if it is missing."""
        return self._items.setdefault(item.id, item)

    def resolve(self, result: BatchItemResult) -> None:
        """Give its result to an item, if there is an item with the id, and forget the item."""
        if (item := self._items.pop(result.id, None)) is not None:
            item.resolve(result)

    @property
    def awaited(self) -> list[BatchItem]:
        """The items that calls wait for."""
        return [item for item in self._items.values() if item.is_awaited]

    @property
    def any_awaited(self) -> bool:
        """True if a call waits for an item."""
        return any(item.is_awaited for item in self._items.values())

    @property
    def all_finished(self) -> bool:
        """True if all requests with an item of the batch are finished."""
        return all(map(self._is_finished, self._offsets))

    def count_overdue(self, deadline: float) -> int:
        """Return the number of awaited items whose deadlines are not after `deadline`, in monotonic seconds."""
        return sum(item.is_awaited and item.deadline <= deadline for item in self._items.values())
