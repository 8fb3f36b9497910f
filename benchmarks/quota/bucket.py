"""A quota as OpenAI keeps it: a token bucket that refills continuously."""

from dataclasses import dataclass


@dataclass(slots=True)
class TokenBucket:
    """Token bucket. `limit` is per minute. `burst` is the capacity in seconds of that limit."""

    limit: float
    burst: float = 60.0

    def __post_init__(self) -> None:
        self.level = self.capacity
        self._at = 0.0

    level: float = 0.0
    _at: float = 0.0

    @property
    def rate(self) -> float:
        """Return the refill per second."""
        return self.limit / 60

    @property
    def capacity(self) -> float:
        return max(1.0, self.rate * self.burst)

    def refill(self, now: float) -> float:
        """Refill the bucket up to `now` (seconds), and return its level."""
        self.level = min(self.capacity, self.level + (now - self._at) * self.rate)
        self._at = now
        return self.level

    def seconds_until(self, amount: float) -> float:
        """Return the seconds until the bucket holds `amount`."""
        return max(0.0, (amount - self.level) / self.rate)

    def headers(self, resource: str) -> dict[str, str]:
        """Return the headers of a response: https://platform.openai.com/docs/guides/rate-limits."""
        return {
            f"x-ratelimit-limit-{resource}": f"{self.limit:.0f}",
            f"x-ratelimit-remaining-{resource}": f"{int(self.level)}",
            f"x-ratelimit-reset-{resource}": duration((self.capacity - self.level) / self.rate),
        }


class FixedWindowBucket(TokenBucket):
    """A quota that is reset every minute, as gateways keep it."""

    _end: float = 60.0

    def refill(self, now: float) -> float:
        while now >= self._end:
            self._end += 60.0
            self.level = self.limit
        self._at = now
        return self.level

    def seconds_until(self, amount: float) -> float:
        return self._end - self._at if self.level < amount else 0.0

    def headers(self, resource: str) -> dict[str, str]:
        return super().headers(resource) | {f"x-ratelimit-reset-{resource}": duration(self._end - self._at)}


def duration(seconds: float) -> str:
    """Return a duration as OpenAI writes it: `6m0s`, `1.5s`, `120ms`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    minutes, rest = divmod(round(seconds, 3), 60)
    return f"{minutes:.0f}m{rest:g}s" if minutes else f"{rest:g}s"
