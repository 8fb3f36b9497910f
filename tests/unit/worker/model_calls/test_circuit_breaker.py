"""The circuit breaker: a probe only checks that the provider answers. One request's failure opens no circuit."""

import pytest

from carteiro.models.errors import (
    ContentFiltered,
    InvalidOutput,
    InvalidPrompt,
    Misconfigured,
    ModelError,
    PromptTooLarge,
    QuotaExhausted,
    RateLimited,
    Refused,
    Unaffordable,
    Unavailable,
    Unsupported,
)
from carteiro.models.results import Completion
from carteiro.schemas import Usage
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker, CircuitState
from tests.conftest import eventually
from tests.unit.worker.failing_model import FailingModel

pytestmark = pytest.mark.usefixtures("no_pauses")


def unreadable_answer() -> Unavailable:
    failure = Unavailable("no completion")
    failure.has_answered = True
    return failure


OF_ONE_REQUEST = [
    InvalidPrompt("wrong"),
    Unsupported("cannot"),
    Unaffordable("too dear"),
    PromptTooLarge("too long"),
    ContentFiltered("filtered"),
    Refused("declined"),
    InvalidOutput("no JSON"),
]


@pytest.fixture
async def breaker():
    breaker = CircuitBreaker(FailingModel(), lambda: None)
    yield breaker
    await breaker.stop_probing()


@pytest.mark.parametrize("failure", OF_ONE_REQUEST, ids=lambda failure: type(failure).__name__)
async def test_failure_of_one_request_keeps_the_circuit_closed(breaker: CircuitBreaker, failure: ModelError) -> None:
    for _ in range(20):
        breaker.record_failure(failure)
    assert not breaker.is_open


@pytest.mark.parametrize("answer", [*OF_ONE_REQUEST, unreadable_answer()], ids=lambda failure: type(failure).__name__)
async def test_any_answer_to_a_probe_closes_the_circuit(breaker: CircuitBreaker, answer: ModelError) -> None:
    breaker.model.always = answer
    breaker.record_failure(Misconfigured("wrong key"))
    await eventually(lambda: not breaker.is_open)
    assert breaker.confirmed_outages == 0


@pytest.mark.parametrize("text", ["", "y"])
async def test_empty_or_cut_completion_closes_the_circuit(text: str, monkeypatch) -> None:
    class Cut(FailingModel):
        async def complete(self, prompt):
            return Completion(text, "length", Usage())

    breaker = CircuitBreaker(Cut(), lambda: None)
    breaker.record_failure(QuotaExhausted("unpaid"))
    await eventually(lambda: not breaker.is_open)
    await breaker.stop_probing()


@pytest.mark.parametrize(
    "failure", [Unavailable("503"), RateLimited("429"), QuotaExhausted("402"), Misconfigured("401")], ids=str
)
async def test_unanswered_probe_keeps_the_circuit_open(breaker: CircuitBreaker, failure: ModelError) -> None:
    breaker.model.always = failure
    breaker.record_failure(Misconfigured("wrong key"))
    await eventually(lambda: breaker.model.probes > 5)
    assert breaker.is_open


async def test_output_limit_of_the_probe_is_a_service_option() -> None:
    prompts = []

    class Recording(FailingModel):
        async def complete(self, prompt):
            prompts.append(prompt)
            return await super().complete(prompt)

    breaker = CircuitBreaker(Recording(), lambda: None)
    breaker.record_failure(Misconfigured("wrong key"))
    await eventually(lambda: not breaker.is_open)
    await breaker.stop_probing()
    assert "max_output_tokens" in prompts[0].service_options


async def test_cool_down_of_an_hour_is_kept(breaker: CircuitBreaker) -> None:
    before = breaker.cool_down_until
    breaker.cool_down(3600)
    assert breaker.is_unavailable
    assert breaker.cool_down_until - before >= 3600


async def test_circuit_is_half_open_only_during_a_probe() -> None:
    states: list[CircuitState] = []

    class Watched(FailingModel):
        async def complete(self, prompt):
            states.append(breaker.state)
            if len(states) == 2:
                raise Unavailable("503")
            return Completion("y", "stop", Usage())

    breaker = CircuitBreaker(Watched(), lambda: states.append(breaker.state))
    breaker.record_failure(Misconfigured("wrong key"))
    await eventually(lambda: not breaker.is_open)
    await breaker.stop_probing()
    assert states == [CircuitState.OPEN, CircuitState.HALF_OPEN, CircuitState.HALF_OPEN, CircuitState.CLOSED]
