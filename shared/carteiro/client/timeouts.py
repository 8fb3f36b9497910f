"""Timeouts of a call: the time it waits for its reply, and the deadline in the request's headers."""

from datetime import timedelta

GRACE_SECONDS = 60.0
"""Seconds that a reply is awaited beyond the request's `wait`: the service itself replies `expired` at that time."""


def call_timeouts(patience: timedelta | None, timeout: float | None, default: float) -> tuple[float, float | None]:
    """Return the seconds until the call gives up, and the deadline in seconds for the request's headers or None.

    A given `timeout` is both. Without it, a request with `patience` has its deadline in its body, and a header would
    only make the deadline shorter. Any other request gets `default` for both.
    """
    if timeout is not None:
        return timeout, timeout
    if patience is not None:
        return patience.total_seconds() + GRACE_SECONDS, None
    return default, default


def timeout_header(seconds: float) -> tuple[str, bytes]:
    """Return the header that gives a request its deadline in milliseconds, counted from the record's timestamp."""
    return "timeout_ms", str(int(seconds * 1000)).encode()
