"""How long a call waits for its reply, and what the request says of that."""

from datetime import timedelta

SLACK_SECONDS = 60.0
"""How much longer than a request's `wait` its reply is awaited: the service says `expired` itself, at that time."""


def limits(patience: timedelta | None, timeout: float | None, otherwise: float) -> tuple[float, float | None]:
    """Seconds until the call gives up, and the deadline in seconds that the request's headers give.

    A `timeout` that is asked for is both. Without one, a request with `patience` carries its deadline in itself, and a
    header would only make it shorter; any other has the time that is usual.
    """
    if timeout is not None:
        return timeout, timeout
    if patience is not None:
        return patience.total_seconds() + SLACK_SECONDS, None
    return otherwise, otherwise


def timeout_header(seconds: float) -> tuple[str, bytes]:
    """The header that gives a request its deadline, counted from the record's timestamp."""
    return "timeout_ms", str(int(seconds * 1000)).encode()
