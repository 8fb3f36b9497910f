"""The step that defers requests to the batch service."""

from datetime import UTC, datetime, timedelta

import pytest

from carteiro.schemas.generate import GenerateRequest
from carteiro.worker.batch_api.deferral_policy import DeferralPolicy, DeferRequest
from carteiro.worker.handling.steps.deferral import DeferToBatch
from carteiro.worker.model_calls.fallback import FallbackChain, FallbackRun, ModelTarget
from tests.unit.worker.batch_api.fake_batch_api import CrashInjector, FakeBatchApi, FakeBatchModel
from tests.unit.worker.failing_model import FailingModel

POLICY = DeferralPolicy(min_wait=timedelta(hours=1))
BATCH_TARGET = ModelTarget(FakeBatchModel(FakeBatchApi(CrashInjector())))


@pytest.fixture
def patient_context(make_context):
    """Context of a request that can wait for a day, and whose first model has a batch API."""
    request = GenerateRequest.model_validate({"prompt": "Why?", "options": {"wait": "24h"}})
    return make_context(request, chain=FallbackChain([BATCH_TARGET]), deadline=datetime.now(UTC) + timedelta(hours=24))


async def test_request_that_can_wait_is_deferred_without_a_call(patient_context, next_handler):
    with pytest.raises(DeferRequest):
        await DeferToBatch(POLICY)(patient_context, next_handler)
    assert next_handler.calls == 0


async def test_without_a_policy_the_request_goes_on(patient_context, next_handler):
    await DeferToBatch(None)(patient_context, next_handler)
    assert next_handler.context is patient_context


async def test_request_near_its_deadline_goes_on(patient_context, next_handler):
    patient_context.deadline = datetime.now(UTC) + timedelta(minutes=30)
    await DeferToBatch(POLICY)(patient_context, next_handler)
    assert next_handler.calls == 1


async def test_request_for_a_model_without_batches_goes_on(patient_context, next_handler):
    live = FallbackChain([ModelTarget(FailingModel()), BATCH_TARGET])
    patient_context.fallback_run = FallbackRun(live, patient_context.meter)
    await DeferToBatch(POLICY)(patient_context, next_handler)
    assert next_handler.calls == 1
