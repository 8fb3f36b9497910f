"""The maximum number of outcomes in one transaction. Pure: no Kafka, no clock."""

_SUCCESSES_TO_GROW = 4


class TransactionSize:
    """A limit that halves after a transaction timed out, down to 1, and doubles after some full transactions passed."""

    def __init__(self, max_size: int) -> None:
        self._max_size = self.limit = max_size
        self._successes = 0

    def on_timeout(self, size: int) -> None:
        """Record that a transaction of `size` outcomes timed out."""
        self.limit, self._successes = max(min(self.limit, size) // 2, 1), 0

    def on_success(self, size: int) -> None:
        """Record that a transaction of `size` outcomes was committed."""
        if size < self.limit or self.limit == self._max_size:
            return
        self._successes += 1
        if self._successes >= _SUCCESSES_TO_GROW:
            self.limit, self._successes = min(self.limit * 2, self._max_size), 0
