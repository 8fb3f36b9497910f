"""A quota as OpenAI keeps it: a bucket that refills all the time."""

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """`limit` is per minute; `burst` is what the full bucket holds, in seconds of that limit."""

    limit: float
    burst: float = 60.0

    def __post_init__(self) -> None:
        self.level = self.capacity
        self._at = 0.0

    level: float = 0.0
    _at: float = 0.0

    @property
    def rate(self) -> float:
        """Refill per second."""
        return self.limit / 60

    @property
    def capacity(self) -> float:
        return max(1.0, self.rate * self.burst)

    def look(self, now: float) -> float:
        """What the bucket holds."""
        self.level = min(self.capacity, self.level + (now - self._at) * self.rate)
        self._at = now
        return self.level

    def wait(self, amount: float) -> float:
        """Seconds until it holds so much."""
        return max(0.0, (amount - self.level) / self.rate)

    def headers(self, resource: str) -> dict[str, str]:
        """What a response says of it: https://platform.openai.com/docs/guides/rate-limits."""
        return {
            f"x-ratelimit-limit-{resource}": f"{self.limit:.0f}",
            f"x-ratelimit-remaining-{resource}": f"{int(self.level)}",
            f"x-ratelimit-reset-{resource}": duration((self.capacity - self.level) / self.rate),
        }


class Windowed(Bucket):
    """A quota that is given anew every minute, as gateways keep it."""

    _end: float = 60.0

    def look(self, now: float) -> float:
        while now >= self._end:
            self._end += 60.0
            self.level = self.limit
        self._at = now
        return self.level

    def wait(self, amount: float) -> float:
        return self._end - self._at if self.level < amount else 0.0

    def headers(self, resource: str) -> dict[str, str]:
        return super().headers(resource) | {f"x-ratelimit-reset-{resource}": duration(self._end - self._at)}


def duration(seconds: float) -> str:
    """As OpenAI writes it: `6m0s`, `1.5s`, `120ms`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    minutes, rest = divmod(round(seconds, 3), 60)
    return f"{minutes:.0f}m{rest:g}s" if minutes else f"{rest:g}s"
