from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carteiro.schemas import Request
from carteiro.schemas.chat import ChatRequest
from carteiro.schemas.summarize import SummarizeRequest
from carteiro.worker.batch_api.deferral_policy import DeferralPolicy
from carteiro.worker.model_calls.fallback import FallbackChain, ModelTarget
from tests.unit.worker.batch_api.fake_batch_api import CrashInjector, FakeBatchApi, FakeBatchModel

POLICY = DeferralPolicy(min_wait=timedelta(hours=1), min_deadline=timedelta(hours=12))
BATCH_CHAIN = FallbackChain([ModelTarget(FakeBatchModel(FakeBatchApi(CrashInjector())))])  # type: ignore[arg-type]


def summarize(**options: Any) -> Request[Any]:
    return SummarizeRequest.model_validate({"text": "Rain.", "options": options})


def defers(
    request: Request[Any], hours: float | None, chain: FallbackChain = BATCH_CHAIN, policy: DeferralPolicy = POLICY
) -> bool:
    deadline = None if hours is None else datetime.now(UTC) + timedelta(hours=hours, seconds=5)
    return policy.defers(request, deadline, chain)


def test_request_that_can_wait_is_deferred() -> None:
    assert defers(summarize(wait="24h"), 24)


def test_request_without_wait_option_is_not_deferred() -> None:
    assert not defers(summarize(), None)
    assert not defers(summarize(), 11)


def test_request_with_a_far_deadline_is_deferred() -> None:
    assert defers(summarize(), 12)
    assert not defers(summarize(), 12, policy=DeferralPolicy(min_wait=timedelta(hours=1)))


@pytest.mark.parametrize("wait", ["30m", "59m"])
def test_request_with_a_short_wait_is_not_deferred(wait: str) -> None:
    assert not defers(summarize(wait=wait), 0.9)


def test_model_without_batches_is_not_deferred() -> None:
    model = FakeBatchModel(FakeBatchApi(CrashInjector()))
    model.batches = None  # type: ignore[assignment]
    assert not defers(summarize(wait="24h"), 24, FallbackChain([ModelTarget(model)]))  # type: ignore[arg-type]
    assert not defers(summarize(wait="24h"), 24, FallbackChain([ModelTarget(object())]))  # type: ignore[arg-type]


def test_request_that_names_a_tier_is_not_deferred() -> None:
    assert not defers(summarize(wait="24h", service_tier="flex"), 24)


def test_stream_and_conversation_are_not_deferred() -> None:
    assert not defers(summarize(stream=True), 24)
    turn = {"messages": [{"role": "user", "content": "Hi"}], "conversation_id": "c", "options": {"wait": "24h"}}
    assert not defers(ChatRequest.model_validate(turn), 24)
