"""Files of batches at each provider."""

import pytest

from carteiro.concurrency.backoff import Backoff
from carteiro.models.cloud.batch_api import files
from carteiro.models.cloud.batch_api.transport import Transport
from carteiro.models.cloud.client import CloudModel
from carteiro.models.errors import (
    InvalidPrompt,
    Misconfigured,
    Unavailable,
)
from tests.provider import Provider
from tests.unit.models.cloud.batch_api.batch_calls import (
    batch_api_of,
    encode_lines,
    read_results,
    submit_batch,
    wait_until_ended,
)
from tests.unit.models.cloud.cloud_models import open_cloud_model


@pytest.mark.parametrize("model", ["azure", "google"], indirect=True)
async def test_a_file_that_is_not_processed_yet_is_waited_for(model: CloudModel, provider: Provider) -> None:
    provider.batches.file_looks = 3
    batch = await submit_batch(model, "one")
    assert len(provider.batches.of("file")) == 3
    assert (await wait_until_ended(model, batch)).status == "completed"


async def test_openais_files_are_not_waited_for(openai: CloudModel, provider: Provider) -> None:
    await submit_batch(openai, "one")
    assert not provider.batches.of("file")


async def test_files_are_listed_by_name_and_deleted(model: CloudModel, provider: Provider) -> None:
    batches = batch_api_of(model)
    uploaded = {
        name: await batches.upload(name, encode_lines(model, "one")) for name in ("ours-1", "theirs-1", "ours-2")
    }
    assert sorted(await batches.list_files("ours-")) == sorted(
        [(uploaded["ours-1"], "ours-1.jsonl"), (uploaded["ours-2"], "ours-2.jsonl")]
    )
    await batches.delete_file(uploaded["ours-1"])
    await batches.delete_file(uploaded["ours-1"])
    assert await batches.list_files("ours-") == [(uploaded["ours-2"], "ours-2.jsonl")]
    assert set(provider.batches.files) == {uploaded["theirs-1"], uploaded["ours-2"]}


async def test_results_are_no_input_files(openai: CloudModel, provider: Provider) -> None:
    batch = await wait_until_ended(openai, await submit_batch(openai, "one", name="a"))
    assert await batch_api_of(openai).list_files("") == [(batch.input_file, "a.jsonl")]


async def test_more_files_than_openais_page_holds(openai: CloudModel, provider: Provider) -> None:
    for number in range(2100):
        provider.batches.store(f"file-x{number}", f"ours-{number}.jsonl", b"")
    assert len({file for file, _ in await batch_api_of(openai).list_files("ours-")}) == 2100
    assert len(provider.batches.of("files")) == 3


async def test_deleted_results_file_fails(model: CloudModel, provider: Provider) -> None:
    batch = await wait_until_ended(model, await submit_batch(model, "one"))
    await batch_api_of(model).delete_file(batch.output_files[0])
    with pytest.raises(Misconfigured):
        await read_results(model, batch)


@pytest.mark.parametrize("model", ["azure", "google"], indirect=True)
async def test_file_that_is_never_processed_fails(
    model: CloudModel, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await batch_api_of(model).upload("one", encode_lines(model, "one"))
    provider.batches.refuse("file", 200, {"id": file, "name": file, "status": "error", "state": "FAILED"})
    with pytest.raises(InvalidPrompt, match="could not process"):
        await batch_api_of(model).wait_until_ready(file)
    monkeypatch.setattr(files, "TRANSFER_SECONDS", 0.3)
    provider.batches.files[file].looks = 10_000
    with pytest.raises(Unavailable, match=r"within 0\.3 s"):
        await batch_api_of(model).wait_until_ready(file)
    assert not provider.batches.created


async def test_file_is_looked_at_after_growing_pauses() -> None:
    states, pauses = ["uploaded", "Processing", "pending", "PROCESSED"], list[float]()
    model = open_cloud_model("openai:m", OPENAI_API_KEY="k")

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def fetch_state() -> str:
        return states.pop(0)

    backoff = Backoff(1.0, 3.0, uniform=lambda _, limit: limit, sleep=sleep)
    await files.poll_until_ready(fetch_state, Transport(model._connection), backoff)
    assert (states, pauses) == ([], [1.0, 2.0, 3.0])
    await model.close()
