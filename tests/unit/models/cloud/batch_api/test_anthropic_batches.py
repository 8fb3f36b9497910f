"""Anthropic's batches: what differs from the batches of providers with files."""

import json
import re
from collections.abc import Awaitable, Callable

import pytest

from carteiro.models.cloud.batch_api import anthropic_batches
from carteiro.models.cloud.client import CloudModel
from carteiro.models.errors import InvalidPrompt, PromptTooLarge, RateLimited, Unavailable
from tests.provider import Provider
from tests.provider.endpoints import Kind
from tests.unit.models.cloud.batch_api.batch_calls import (
    batch_api_of,
    encode_lines,
    open_model,
    prompt,
    read_results,
    run_batch,
    submit_batch,
    wait_until_ended,
)


async def test_requests_stand_in_the_call_with_ids_that_anthropic_allows(
    anthropic: CloudModel, provider: Provider
) -> None:
    provider.batches.order = "shuffled"
    batches = batch_api_of(anthropic)
    longest = f"{10**18}-{'0' * 16}-999"
    lines = [batches.encode_line(each, anthropic.body(prompt("ação \u2028 x"))) for each in (longest, "l-1", "l-2")]
    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in lines)
    batch = await batches.submit("n-1", await batches.upload("n-1", lines))
    found = await read_results(anthropic, await wait_until_ended(anthropic, batch))
    assert sorted(found) == sorted([longest, "l-1", "l-2"])
    sent = provider.batches.created[0].body["requests"]
    assert sent[0]["params"] == anthropic.body(prompt("ação \u2028 x"))
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", each["custom_id"]) for each in sent)
    assert {request.path for request in provider.batches.requests} == {
        "/v1/messages/batches",
        f"/v1/messages/batches/{batch.id}",
        f"/v1/messages/batches/{batch.id}/results",
    }
    await batches.delete_file(batch.id)
    await batches.delete_file(batch.id)
    assert not provider.batches.created


async def test_results_have_the_errors_of_live_calls(provider: Provider) -> None:
    for fault, failure in (("429", RateLimited), ("500", Unavailable)):
        model = open_model(provider, "anthropic", f"fault-{fault}")
        found = await run_batch(model, "one")
        await model.close()
        assert type(found["l-0"].error) is failure


async def test_expired_requests_count_as_never_sent(anthropic: CloudModel, provider: Provider) -> None:
    provider.batches.expire(0.5)
    provider.batches.invalid_lines = [b"{"]
    batch = await wait_until_ended(anthropic, await submit_batch(anthropic, "one", "two"))
    found = await read_results(anthropic, batch)
    assert (batch.status, found["l-0"].error) == ("expired", None)
    assert type(found["l-1"].error) is Unavailable


async def test_batch_is_found_by_its_results_alone(anthropic: CloudModel, provider: Provider) -> None:
    """Another worker finds the batch after a crash, once it has ended, among batches of the same size."""
    ours, other = batch_api_of(anthropic), open_model(provider, "anthropic")
    theirs = batch_api_of(other)
    await wait_until_ended(anthropic, await submit_batch(anthropic, "another", name="other"))
    file = await ours.upload("one", encode_lines(anthropic, "one"))
    provider.batches.hold()
    batch = await ours.submit("one", file)
    assert [each.id for each in await ours.find("one", file)] == [batch.id]
    with pytest.raises(Unavailable, match="does not tell yet"):
        await theirs.find("one", file)
    provider.batches.release()
    await wait_until_ended(anthropic, batch)
    (found,) = await theirs.find("one", file)
    assert (found.id, found.input_file, found.status) == (batch.id, file, "completed")
    downloads = len(provider.batches.of("download"))
    await theirs.find("one", file)
    assert len(provider.batches.of("download")) == downloads
    assert await theirs.find("one", file.replace(":1:", ":2:")) == []
    assert await theirs.find("one", "file-1") == []
    await other.close()


async def test_a_lost_answer_leaves_a_batch_that_is_found_at_its_end(anthropic: CloudModel, provider: Provider) -> None:
    batches = batch_api_of(anthropic)
    file = await batches.upload("one", encode_lines(anthropic, "one"))
    provider.batches.lose_responses("submit")
    with pytest.raises(Unavailable):
        await batches.submit("one", file)
    with pytest.raises(Unavailable, match="does not tell yet"):
        await batches.find("one", file)
    (created,) = provider.batches.created
    while (await batches.retrieve(created.id)).status == "running":
        pass
    assert [each.id for each in await batches.find("one", file)] == [created.id]
    assert provider.batches.paid == {"one": 1}


@pytest.mark.parametrize("kind", ["submit", "look", "list", "download", "delete", "cancel"])
async def test_refused_call_fails_with_a_typed_error(kind: Kind, anthropic: CloudModel, provider: Provider) -> None:
    batches = batch_api_of(anthropic)
    batch = await wait_until_ended(anthropic, await submit_batch(anthropic, "one"))
    file = await batches.upload("two", encode_lines(anthropic, "two"))
    calls: dict[Kind, Callable[[], Awaitable[object]]] = {
        "submit": lambda: batches.submit("two", file),
        "look": lambda: batches.retrieve(batch.id),
        "list": lambda: batches.find("two", file),
        "download": lambda: read_results(anthropic, batch),
        "delete": lambda: batches.delete_file(batch.id),
        "cancel": lambda: batches.cancel(batch.id),
    }
    error = {"type": "error", "error": {"type": "rate_limit_error", "message": "Limit of org-secret."}}
    provider.batches.refuse(kind, 429, error, Retry_After="7")
    provider.batches.refuse(kind, 529, {"type": "error", "error": {"type": "overloaded_error", "message": "No."}})
    for _ in range(2):
        with pytest.raises(RateLimited) as caught:
            await calls[kind]()
        assert "secret" not in caught.value.message
    if kind in ("submit", "look", "list"):
        provider.batches.refuse(kind, 200, {"data": 7, "id": "x"})
        with pytest.raises(Unavailable, match="not asked for"):
            await calls[kind]()


async def test_file_ends_with_the_worker_that_keeps_it(
    anthropic: CloudModel, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = batch_api_of(anthropic)
    file = await batches.upload("p-1", encode_lines(anthropic, "one"))
    assert await batches.list_files("p-") == [(file, "p-1")]
    await batches.wait_until_ready(file)
    provider.batches.refuse("submit", 429)
    with pytest.raises(RateLimited):
        await batches.submit("p-1", file)
    await batches.delete_file(file)
    assert await batches.list_files("p-") == []
    for call in (batches.wait_until_ready(file), batches.submit("p-1", file)):
        with pytest.raises(InvalidPrompt, match="lost with the worker"):
            await call
    assert not provider.batches.created
    monkeypatch.setattr(anthropic_batches, "_MAX_KEPT_BYTES", 1000)
    files = [await batches.upload(f"p-{number}", encode_lines(anthropic, "x" * 500)) for number in range(3)]
    assert [each for each, _ in await batches.list_files("p-")] == files[-1:]


async def test_file_above_its_limits_is_too_large(anthropic: CloudModel) -> None:
    line = json.dumps({"custom_id": "x", "params": {}}, separators=(",", ":")).encode() + b"\n"
    with pytest.raises(PromptTooLarge):
        await batch_api_of(anthropic).upload("many", (line for _ in range(50_001)))
