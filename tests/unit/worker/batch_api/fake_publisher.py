"""A partition's topic of batches in memory."""

from collections.abc import Callable

from carteiro.worker.batch_api.fenced_publisher import StatePublisher


class FakePublisher(StatePublisher):
    """Publisher that stores each value at once. By default no request is ever finished."""

    def __init__(
        self, stored: dict[bytes, bytes] | None = None, is_finished: Callable[[int], bool] = lambda _: False
    ) -> None:
        self.stored: dict[bytes, bytes] = {} if stored is None else stored
        self._is_finished = is_finished

    def is_finished(self, offset: int) -> bool:
        return self._is_finished(offset)

    async def publish(self, key: bytes, value: bytes | None) -> None:
        self.put(key, value)

    def put(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.stored.pop(key, None)
        else:
            self.stored[key] = value
