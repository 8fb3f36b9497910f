"""Topics that take no records."""

from collections.abc import Callable

import pytest

from carteiro.worker.delivery.unavailable_topics import FAILING_TOPIC_SECONDS, MISSING_TOPIC_SECONDS, UnavailableTopics


def seconds_and_tries_until_given_up(*, missing: bool, uniform: Callable[[float, float], float]) -> tuple[float, int]:
    """Return the seconds until a topic that takes no records is given up, and the number of tries."""
    topics, now, tries = UnavailableTopics(uniform), 0.0, 1
    while not topics.on_failure("t", now, missing=missing):
        seconds = topics.seconds_to_next_try(now)
        assert seconds is not None
        now += seconds
        assert topics.due(now) == ["t"]
        tries += 1
    return now, tries


@pytest.mark.parametrize(("uniform", "max_tries"), [(max, 30), (min, 60)], ids=["longest pauses", "shortest pauses"])
def test_missing_topic_is_given_up_earlier_than_a_failing_topic(
    uniform: Callable[[float, float], float], max_tries: int
) -> None:
    assert seconds_and_tries_until_given_up(missing=True, uniform=uniform)[0] < 2 * MISSING_TOPIC_SECONDS
    seconds, tries = seconds_and_tries_until_given_up(missing=False, uniform=uniform)
    assert FAILING_TOPIC_SECONDS <= seconds < 2 * FAILING_TOPIC_SECONDS
    assert tries < max_tries


def test_topic_that_was_given_up_is_tried_again_after_the_cooldown() -> None:
    topics = UnavailableTopics()
    topics.on_failure("t", 0, missing=True)
    assert topics.on_failure("t", MISSING_TOPIC_SECONDS, missing=True)
    assert topics.is_given_up("t", MISSING_TOPIC_SECONDS + 1)
    assert not topics.is_given_up("t", MISSING_TOPIC_SECONDS + 3600)
    assert "t" not in topics


def test_topics_without_blocked_outcomes_are_dropped() -> None:
    topics = UnavailableTopics()
    topics.on_failure("a", 0, missing=False)
    topics.on_failure("b", 0, missing=False)
    topics.retain({"b"})
    assert ("a" in topics, "b" in topics) == (False, True)
