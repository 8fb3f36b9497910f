"""A provider's description of a batch."""

import pytest

from carteiro.models.cloud.batch_api.interface import ProviderBatch
from carteiro.models.cloud.client import CloudModel
from tests.provider import Provider
from tests.unit.models.cloud.batch_api.batch_calls import (
    batch_api_of,
    read_results,
    submit_batch,
    wait_until_ended,
)


@pytest.mark.parametrize(
    ("code", "message", "line", "expected"),
    [
        ("invalid_json_line", "This line is not parseable as valid JSON.", 7, "line 7: This line is not parseable"),
        ("model_not_found", "The provided model 'x' is not supported.", None, "The provided model 'x'"),
        ("empty_file", "", None, "empty_file"),
        ("x", "word " * 200, None, "word word"),
    ],
)
async def test_a_batch_that_fails_says_why(
    code, message, line, expected, model: CloudModel, provider: Provider
) -> None:
    provider.batches.fail(code, message, line)
    batch = await wait_until_ended(model, await submit_batch(model, "one"))
    assert (batch.status, batch.error_code) == ("failed", code)
    assert batch.error_message.startswith(expected)
    assert len(batch.error_message) <= 310
    assert await read_results(model, batch) == {}


async def test_batch_above_the_token_limit_fails_with_its_code(model: CloudModel, provider: Provider) -> None:
    provider.batches.token_limit = 5
    provider.batches.hold()
    first = await submit_batch(model, "one two three")
    await batch_api_of(model).retrieve(first.id)
    second = await wait_until_ended(model, await submit_batch(model, "four five six"))
    assert (second.status, second.error_code) == ("failed", "token_limit_exceeded")
    assert "limit" in second.error_message
    assert "secret" not in second.error_message
    provider.batches.release()
    assert (await wait_until_ended(model, first)).status == "completed"
    assert (await wait_until_ended(model, await submit_batch(model, "four five six"))).status == "completed"


@pytest.mark.parametrize("errors", [None, {}, {"data": []}, {"data": [{}]}, [], "no", {"data": [{"line": "x"}]}])
async def test_failed_batch_without_a_reason_has_a_message(errors, openai: CloudModel, provider: Provider) -> None:
    provider.batches.refuse("look", 200, {"id": "b", "status": "failed", "errors": errors})
    batch = await batch_api_of(openai).retrieve("b")
    assert (batch.status, batch.error_message, batch.error_code) == ("failed", "the provider gives no reason", None)


@pytest.mark.parametrize("status", ["validating", "in_progress", "finalizing", "cancelling", "paused", "Validating"])
async def test_unknown_status_counts_as_running(status: str, openai: CloudModel, provider: Provider) -> None:
    provider.batches.refuse("look", 200, {"id": "b", "status": status, "output_file_id": ""})
    batch = await batch_api_of(openai).retrieve("b")
    assert batch == ProviderBatch("b", None, "", "running")
