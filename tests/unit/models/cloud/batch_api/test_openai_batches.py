"""A batch at each provider, from its file to its results."""

import json

import pytest

from carteiro.models.cloud.batch_api import transport
from carteiro.models.cloud.batch_api.interface import BatchModel
from carteiro.models.cloud.client import CloudModel
from carteiro.models.errors import Misconfigured, PromptTooLarge, Unavailable
from carteiro.models.prompt import Message, PlacedFile, Prompt
from carteiro.schemas.media_file import read_media
from tests import media
from tests.provider import Provider
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
from tests.unit.models.cloud.cloud_models import KEY, open_cloud_model


async def test_every_line_is_answered_as_a_live_call_would_be(any_model: CloudModel, provider: Provider) -> None:
    model = any_model
    words = ["one two three", "quatro cinco", "seis \u2028 sete\nbreak \x85 é 🙂"]
    found = await run_batch(model, *words)
    assert sorted(found) == ["l-0", "l-1", "l-2"]
    for number, each in enumerate(words):
        live = await model.complete(prompt(each))
        assert model.completion(found[f"l-{number}"].answer, prompt(each)) == live
    assert provider.batches.paid == dict.fromkeys(words, 1)


async def test_a_batch_is_looked_at_until_it_has_ended(any_model: CloudModel, provider: Provider) -> None:
    model = any_model
    batches = batch_api_of(model)
    provider.batches.looks = 3
    batch = await submit_batch(model, "one", name="carteiro-7")
    assert (batch.status, batch.output_files, batch.error_message) == ("running", (), None)
    assert [(await batches.retrieve(batch.id)).status for _ in range(3)] == ["running", "running", "completed"]
    again = await batches.retrieve(batch.id)
    assert again.input_file in (batch.input_file, "")
    assert again.output_files
    assert provider.batches.paid == {"one": 1}


async def test_requests_of_each_provider(model: CloudModel, provider: Provider) -> None:
    batch = await wait_until_ended(model, await submit_batch(model, "one", name="n-1"))
    await read_results(model, batch)
    kind = model.name.partition(":")[0]
    ours, uploaded = provider.batches, provider.batches.created[0]
    begin = {"openai": "/v1", "azure": "/openai/v1", "google": "/v1beta/openai"}[kind]
    assert ours.of("submit")[0].path == f"{begin}/batches"
    assert ours.of("look")[0].path == f"{begin}/batches/{uploaded.id}"
    assert {request.query.get("api-version") for request in ours.requests} == {None}
    sent = {"input_file_id": batch.input_file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    two_weeks = {"anchor": "created_at", "seconds": 1209600}
    kept = {"metadata": {"carteiro": "n-1"}, "output_expires_after": two_weeks}
    assert uploaded.body == (sent if kind == "google" else sent | kept)
    assert batch.name == (None if kind == "google" else "n-1")
    line = json.loads(uploaded.lines[0])
    assert line == {"custom_id": "l-0", "method": "POST", "url": "/v1/chat/completions", "body": line["body"]}
    assert line["body"]["model"] == "echo"
    file = ours.files[batch.input_file]
    assert file.name == "n-1.jsonl"
    if kind != "google":
        expiry = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "1209600"}
        assert file.form == {"purpose": "batch"} | expiry


async def test_azures_batches_use_the_v1_api_with_every_version(provider: Provider) -> None:
    for version, query in (("2024-10-21", None), ("preview", "preview")):
        model = open_model(provider, "azure", OPENAI_API_VERSION=version)
        await read_results(model, await wait_until_ended(model, await submit_batch(model, "one")))
        await model.close()
        assert {request.query.get("api-version") for request in provider.batches.requests} == {query}
        assert all(request.headers["api-key"] == KEY for request in provider.batches.requests)
        provider.batches.requests.clear()


@pytest.mark.parametrize(("api", "path"), [("responses", "/v1/responses"), ("completions", "/v1/completions")])
async def test_batches_use_the_api_of_the_model(api: str, path: str, provider: Provider) -> None:
    model = open_model(provider, "openai", f"echo?api={api}")
    found = await run_batch(model, "one two")
    assert model.completion(found["l-0"].answer, prompt("one two")).text == "one two"
    assert provider.batches.created[0].body["endpoint"] == path
    await model.close()


async def test_providers_without_batches(provider: Provider) -> None:
    for model in (
        open_cloud_model(f"{provider.url}#qwen3"),
        open_cloud_model("google:gemini", GOOGLE_CLOUD_PROJECT="p-1", GOOGLE_VERTEX_BASE_URL=provider.root),
    ):
        assert isinstance(model, BatchModel)
        assert model.batches is None
        await model.close()


async def test_a_batch_is_found_by_its_name_or_its_file_among_many(model: CloudModel, provider: Provider) -> None:
    batches = batch_api_of(model)
    mine = await submit_batch(model, "one", name="mine")
    file = await batches.upload("other", encode_lines(model, "two"))
    for number in range(230):
        await batches.submit(f"other-{number}", file)
    assert [batch.id for batch in await batches.find("mine", mine.input_file)] == [mine.id]
    assert len(provider.batches.of("list")) == 3
    assert len(await batches.find("nobody", file)) == 230
    assert await batches.find("nobody", "file-none") == []


@pytest.mark.parametrize("model", ["openai", "azure"], indirect=True)
async def test_a_batch_is_found_by_its_name_alone(model: CloudModel, provider: Provider) -> None:
    batches = batch_api_of(model)
    first = await submit_batch(model, "one", name="mine")
    second = await submit_batch(model, "one", name="mine")
    await submit_batch(model, "one", name="mine-too")
    found = await batches.find("mine", "file-none")
    assert [batch.id for batch in found] == [second.id, first.id]


async def test_reading_of_an_endless_list_stops(openai: CloudModel, provider: Provider) -> None:
    same = {"id": "b", "status": "completed", "input_file_id": "f"}
    provider.batches.refuse("list", 200, {"data": [same], "has_more": True}, times=200)
    assert len(await batch_api_of(openai).find("mine", "f")) == 2
    provider.batches.forget()
    for number in range(200):
        provider.batches.refuse("list", 200, {"data": [same | {"id": f"b-{number}"}], "has_more": True})
    await batch_api_of(openai).find("mine", "f")
    assert len(provider.batches.of("list")) == 50


async def test_batches_in_an_unknown_form_are_ignored(openai: CloudModel, provider: Provider) -> None:
    page = {"data": [{"id": 7}, None, {"id": "b", "status": "completed", "input_file_id": "f", "metadata": []}]}
    provider.batches.refuse("list", 200, page)
    (batch,) = await batch_api_of(openai).find("mine", "f")
    assert (batch.id, batch.name) == ("b", None)


async def test_a_lost_answer_leaves_a_batch_that_is_found(model: CloudModel, provider: Provider) -> None:
    batches = batch_api_of(model)
    file = await batches.upload("one", encode_lines(model, "one"))
    provider.batches.lose_responses("submit")
    with pytest.raises(Unavailable):
        await batches.submit("one", file)
    (batch,) = await batches.find("one", file)
    assert batch.id == provider.batches.created[0].id
    assert (await wait_until_ended(model, batch)).status == "completed"
    assert provider.batches.paid == {"one": 1}


async def test_cancelling(any_model: CloudModel, provider: Provider) -> None:
    model = any_model
    batches = batch_api_of(model)
    provider.batches.hold()
    batch = await submit_batch(model, "one", "two", "three", "four")
    assert (await batches.retrieve(batch.id)).status == "running"
    await batches.cancel(batch.id)
    await batches.cancel(batch.id)
    batch = await wait_until_ended(model, batch)
    assert batch.status == "cancelled"
    found = await read_results(model, batch)
    assert [found[f"l-{number}"].error is None for number in range(4)] == [True, True, False, False]
    assert all(isinstance(found[each].error, Unavailable) for each in ("l-2", "l-3"))
    await batches.cancel(batch.id)
    assert len(provider.batches.of("cancel")) == 3


async def test_refused_cancel_of_a_running_batch_fails(openai: CloudModel, provider: Provider) -> None:
    provider.batches.hold()
    batch = await submit_batch(openai, "one")
    provider.batches.refuse("cancel", 409)
    with pytest.raises(Unavailable):
        await batch_api_of(openai).cancel(batch.id)


async def test_unknown_batch_fails(any_model: CloudModel) -> None:
    model = any_model
    batches = batch_api_of(model)
    for call in (batches.retrieve("batches/none"), batches.cancel("none")):
        with pytest.raises(Misconfigured, match="is not there"):
            await call


async def test_file_above_its_limits_is_too_large(
    openai: CloudModel, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = batch_api_of(openai)
    assert batches.max_bytes == 200_000_000
    line = batches.encode_line("x", {})
    with pytest.raises(PromptTooLarge):
        await batches.upload("many", (line for _ in range(50_001)))
    assert not provider.batches.requests
    file = await batches.upload("most", (line for _ in range(50_000)))
    assert provider.batches.files[file].content == line * 50_000
    monkeypatch.setattr(transport, "MAX_BYTES", 3 * len(line))
    with pytest.raises(PromptTooLarge):
        await batches.upload("large", [line] * 4)
    await batches.upload("large", [line] * 3)


async def test_every_option_is_in_the_line(openai: CloudModel, provider: Provider) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    request = Prompt(messages=[Message("user", "x")], temperature=0.0, max_output_tokens=5, seed=1, json_schema=schema)
    await openai.complete(request)
    assert json.loads(batch_api_of(openai).encode_line("x", openai.body(request)))["body"] == provider.requests[0].body


async def test_line_carries_files(model: CloudModel) -> None:
    seen = Prompt(messages=[Message("user", "Why?", (PlacedFile(read_media(media.PNG), 0),))])
    batches = batch_api_of(model)
    file = await batches.upload("one", [batches.encode_line("l-0", model.body(seen))])
    await batches.wait_until_ready(file)
    found = await read_results(model, await wait_until_ended(model, await batches.submit("one", file)))
    assert model.completion(found["l-0"].answer, seen).text == f"[image/png {len(media.PNG)}] Why?"
