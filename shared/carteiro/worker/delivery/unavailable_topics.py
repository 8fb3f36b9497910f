"""Topics that take no records now, and the times of their next tries. Pure: no Kafka; time and chance are passed in."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from carteiro.concurrency.backoff import Backoff

MISSING_TOPIC_SECONDS = 8.0
"""Seconds of retries after which a missing topic is given up."""
FAILING_TOPIC_SECONDS = 120.0
"""Seconds of retries after which a topic with a transient error is given up."""
_COOLDOWN_SECONDS = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 5.0


@dataclass(slots=True)
class _TopicOutage:
    since: float
    backoff: Backoff
    next_try: float
    given_up_at: float | None = None


class UnavailableTopics:
    """Topics by name. All times are monotonic seconds."""

    def __init__(self, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._uniform = uniform
        self._topics: dict[str, _TopicOutage] = {}

    def __contains__(self, topic: str) -> bool:
        return topic in self._topics

    def on_failure(self, topic: str, now: float, *, missing: bool) -> bool:
        """Record that a topic took no record. Return True if it is given up: its records then need a fallback."""
        if (outage := self._topics.get(topic)) is None:
            backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE, uniform=self._uniform)
            outage = self._topics[topic] = _TopicOutage(now, backoff, now)
        outage.next_try = now + outage.backoff.next_pause()
        if outage.given_up_at is None and now - outage.since >= (
            MISSING_TOPIC_SECONDS if missing else FAILING_TOPIC_SECONDS
        ):
            outage.given_up_at = now
        return outage.given_up_at is not None

    def on_success(self, topic: str) -> bool:
        """Record that a topic took a record. Return True if it was unavailable."""
        return self._topics.pop(topic, None) is not None

    def is_given_up(self, topic: str, now: float) -> bool:
        """Return True if the topic was given up a short time ago, so its records need a fallback without a try."""
        outage = self._topics.get(topic)
        if outage is None or outage.given_up_at is None:
            return False
        if now - outage.given_up_at <= _COOLDOWN_SECONDS:
            return True
        del self._topics[topic]
        return False

    def due(self, now: float) -> list[str]:
        """Return the topics to try again now, and postpone their next try."""
        due = [topic for topic, outage in self._topics.items() if outage.given_up_at is None and outage.next_try <= now]
        for topic in due:
            self._topics[topic].next_try = now + _LONGEST_PAUSE
        return due

    def retain(self, topics: set[str]) -> None:
        """Drop the topics that are not in `topics`, for which no outcome waits, except topics that are given up."""
        for topic in self._topics.keys() - topics:
            if self._topics[topic].given_up_at is None:
                del self._topics[topic]

    def seconds_to_next_try(self, now: float) -> float | None:
        """Return the seconds until the next try of any topic; None if there is no next try."""
        times = [outage.next_try for outage in self._topics.values() if outage.given_up_at is None]
        return max(min(times) - now, 0.0) if times else None
