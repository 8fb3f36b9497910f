"""The delivery guarantee that `auto` selects, by a broker's answers."""

from functools import partial

import aiokafka.errors as kafka_errors
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.kafka import guarantee
from carteiro.kafka.connection import KafkaUnusable

TRANSIENT_ERRORS = [
    kafka_errors.CoordinatorLoadInProgressError(),
    kafka_errors.GroupCoordinatorNotAvailableError(),
    kafka_errors.NotCoordinatorForGroupError(),
    kafka_errors.ConcurrentTransactions(),
    kafka_errors.NotEnoughReplicasError(),
    kafka_errors.RequestTimedOutError(),
    kafka_errors.KafkaConnectionError("connection lost"),
    kafka_errors.KafkaTimeoutError(),
    kafka_errors.NodeNotReadyError(),
    ConnectionResetError(),
    TimeoutError(),
]
PERMANENT_ERRORS = [
    kafka_errors.TransactionalIdAuthorizationFailed("id"),
    kafka_errors.UnsupportedVersionError(),
    kafka_errors.IncompatibleBrokerVersion("no such request"),
    kafka_errors.InvalidTransactionTimeout(),
]


@pytest.fixture
def broker(monkeypatch):
    """A broker that returns the errors in the list one after the other, and then opens a transaction."""
    answers: list[Exception] = []

    async def attempt(options, transactional_id, limits):
        if answers:
            raise answers.pop(0)

    monkeypatch.setattr(guarantee, "_probe_transactions", attempt)
    return answers


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def choose(slept):
    async def sleep(seconds):
        slept.append(seconds)

    return partial(guarantee.select_guarantee, options={}, group="g", sleep=sleep)


@pytest.mark.parametrize("wanted", ["auto", "exactly_once"])
async def test_transient_errors_are_retried_with_growing_pauses(broker, choose, slept, wanted):
    answers = broker
    answers += 3 * TRANSIENT_ERRORS
    assert await choose(wanted) == "exactly_once"
    limits = [min(0.2 * 2**n, 15) for n in range(3 * len(TRANSIENT_ERRORS))]
    assert len(slept) == len(limits)
    assert all(limit / 2 <= pause <= limit for pause, limit in zip(slept, limits, strict=True))


@pytest.mark.parametrize("error", PERMANENT_ERRORS, ids=lambda error: type(error).__name__)
async def test_permanent_error_selects_at_least_once_for_auto_and_fails_exactly_once(broker, choose, slept, error):
    answers = broker
    answers[:] = [error] * 5  # the time of a transaction is halved some times before the rejection counts
    assert await choose("auto") == "at_least_once"
    answers[:] = [error] * 5
    with pytest.raises(KafkaUnusable, match=type(error).__name__):
        await choose("exactly_once")
    assert not slept


async def test_unknown_error_counts_as_permanent_only_if_it_repeats(broker, choose):
    answers = broker
    answers += [kafka_errors.UnknownError(), TimeoutError(), kafka_errors.UnknownError()]
    assert await choose("auto") == "exactly_once"
    answers += 3 * [kafka_errors.UnknownError()]
    assert await choose("auto") == "at_least_once"


@given(st.sampled_from([each for each in vars(kafka_errors).values() if isinstance(each, type)]))
def test_retriable_error_is_never_permanent(kind):
    if issubclass(kind, kafka_errors.KafkaError) and kind.retriable:
        assert guarantee.permanent_reason(kind()) is None
