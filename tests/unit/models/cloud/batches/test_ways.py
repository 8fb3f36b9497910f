"""A batch at each provider, from its file to its results."""

import json

import pytest

from carteiro.models.cloud.batches import calls
from carteiro.models.cloud.batches.interface import BatchModel
from carteiro.models.cloud.client import CloudModel
from carteiro.models.failures import Misconfigured, PromptTooLarge, Unavailable
from carteiro.models.interface import Message, Prompt
from tests.provider import Provider
from tests.unit.models.cloud.asking import KEY, opened
from tests.unit.models.cloud.batches.doing import (
    batches_of,
    done,
    ended,
    lines,
    open_at,
    prompt,
    results,
    submitted,
)


async def test_every_line_is_answered_as_a_live_call_would_be(model: CloudModel, provider: Provider) -> None:
    words = ["one two three", "quatro cinco", "seis \u2028 sete\nbreak \x85 é 🙂"]
    found = await done(model, *words)
    assert sorted(found) == ["l-0", "l-1", "l-2"]
    for number, each in enumerate(words):
        live = await model.complete(prompt(each))
        assert model.completion(found[f"l-{number}"].answer, prompt(each)) == live
    assert provider.batches.paid == dict.fromkeys(words, 1)


async def test_a_batch_is_looked_at_until_it_has_ended(model: CloudModel, provider: Provider) -> None:
    batches = batches_of(model)
    provider.batches.looks = 3
    batch = await submitted(model, "one", name="carteiro-7")
    assert (batch.status, batch.outputs, batch.problem) == ("running", (), None)
    assert [(await batches.look(batch.id)).status for _ in range(3)] == ["running", "running", "completed"]
    again = await batches.look(batch.id)
    assert again.input_file == batch.input_file
    assert again.outputs
    assert provider.batches.paid == {"one": 1}


async def test_where_each_provider_is_called_and_how(model: CloudModel, provider: Provider) -> None:
    batch = await ended(model, await submitted(model, "one", name="n-1"))
    await results(model, batch)
    kind = model.name.partition(":")[0]
    ours, made = provider.batches, provider.batches.made[0]
    begin = {"openai": "/v1", "azure": "/openai/v1", "google": "/v1beta/openai"}[kind]
    assert ours.of("submit")[0].path == f"{begin}/batches"
    assert ours.of("look")[0].path == f"{begin}/batches/{made.id}"
    assert {asked.query.get("api-version") for asked in ours.asked} == {None}
    sent = {"input_file_id": batch.input_file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    two_weeks = {"anchor": "created_at", "seconds": 1209600}
    kept = {"metadata": {"carteiro": "n-1"}, "output_expires_after": two_weeks}
    assert made.asked == (sent if kind == "google" else sent | kept)
    assert batch.name == (None if kind == "google" else "n-1")
    line = json.loads(made.lines[0])
    assert line == {"custom_id": "l-0", "method": "POST", "url": "/v1/chat/completions", "body": line["body"]}
    assert line["body"]["model"] == "echo"
    file = ours.files[batch.input_file]
    assert file.name == "n-1.jsonl"
    if kind != "google":
        expiry = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "1209600"}
        assert file.form == {"purpose": "batch"} | expiry


@pytest.mark.parametrize("model", ["google"], indirect=True)
async def test_googles_key_goes_where_it_is_looked_for_and_nowhere_else(model: CloudModel, provider: Provider) -> None:
    await results(model, await ended(model, await submitted(model, "one")))
    start, end = provider.batches.of("upload")
    assert start.headers["x-goog-api-key"] == KEY
    assert start.headers["X-Goog-Upload-Protocol"] == "resumable"
    assert not {"x-goog-api-key", "Authorization"} & set(end.headers)
    assert end.headers["Content-Length"] == start.headers["X-Goog-Upload-Header-Content-Length"]
    for kind in ("submit", "look"):
        assert provider.batches.of(kind)[0].headers["Authorization"] == f"Bearer {KEY}"
        assert "x-goog-api-key" not in provider.batches.of(kind)[0].headers
    assert provider.batches.of("download")[0].headers["x-goog-api-key"] == KEY


async def test_azures_batches_are_the_v1_apis_whatever_version_calls_have(provider: Provider) -> None:
    for version, query in (("2024-10-21", None), ("preview", "preview")):
        model = open_at(provider, "azure", OPENAI_API_VERSION=version)
        await results(model, await ended(model, await submitted(model, "one")))
        await model.close()
        assert {asked.query.get("api-version") for asked in provider.batches.asked} == {query}
        assert all(asked.headers["api-key"] == KEY for asked in provider.batches.asked)
        provider.batches.asked.clear()


@pytest.mark.parametrize(("api", "path"), [("responses", "/v1/responses"), ("completions", "/v1/completions")])
async def test_other_apis(api: str, path: str, provider: Provider) -> None:
    model = open_at(provider, "openai", f"echo?api={api}")
    found = await done(model, "one two")
    assert model.completion(found["l-0"].answer, prompt("one two")).text == "one two"
    assert provider.batches.made[0].asked["endpoint"] == path
    await model.close()


async def test_who_has_no_batches(provider: Provider) -> None:
    for model in (
        opened(f"{provider.url}#qwen3"),
        opened("google:gemini", GOOGLE_CLOUD_PROJECT="p-1", GOOGLE_VERTEX_BASE_URL=provider.root),
    ):
        assert isinstance(model, BatchModel)
        assert model.batches is None
        await model.close()


@pytest.mark.parametrize("model", ["azure", "google"], indirect=True)
async def test_a_file_that_is_not_processed_yet_is_waited_for(model: CloudModel, provider: Provider) -> None:
    provider.batches.file_looks = 3
    batch = await submitted(model, "one")
    assert len(provider.batches.of("file")) == 3
    assert (await ended(model, batch)).status == "completed"


async def test_openais_files_are_not_waited_for(openai: CloudModel, provider: Provider) -> None:
    await submitted(openai, "one")
    assert not provider.batches.of("file")


async def test_files_are_listed_by_name_and_deleted(model: CloudModel, provider: Provider) -> None:
    batches = batches_of(model)
    made = {name: await batches.upload(name, lines(model, "one")) for name in ("ours-1", "theirs-1", "ours-2")}
    assert sorted(await batches.files("ours-")) == sorted(
        [(made["ours-1"], "ours-1.jsonl"), (made["ours-2"], "ours-2.jsonl")]
    )
    await batches.delete(made["ours-1"])
    await batches.delete(made["ours-1"])
    assert await batches.files("ours-") == [(made["ours-2"], "ours-2.jsonl")]
    assert set(provider.batches.files) == {made["theirs-1"], made["ours-2"]}


async def test_results_are_no_input_files(openai: CloudModel, provider: Provider) -> None:
    batch = await ended(openai, await submitted(openai, "one", name="a"))
    assert await batches_of(openai).files("") == [(batch.input_file, "a.jsonl")]


async def test_more_files_than_a_page_holds(google: CloudModel, provider: Provider) -> None:
    for number in range(250):
        provider.batches.keep(f"files/x{number}", f"ours-{number}.jsonl", b"")
    found = await batches_of(google).files("ours-")
    assert {file for file, _ in found} == {f"files/x{number}" for number in range(250)}
    assert len(provider.batches.of("files")) == 3


async def test_more_files_than_openais_page_holds(openai: CloudModel, provider: Provider) -> None:
    for number in range(2100):
        provider.batches.keep(f"file-x{number}", f"ours-{number}.jsonl", b"")
    assert len({file for file, _ in await batches_of(openai).files("ours-")}) == 2100
    assert len(provider.batches.of("files")) == 3


async def test_a_deleted_results_file(model: CloudModel, provider: Provider) -> None:
    batch = await ended(model, await submitted(model, "one"))
    await batches_of(model).delete(batch.outputs[0])
    with pytest.raises(Misconfigured):
        await results(model, batch)


async def test_a_batch_is_found_by_its_name_or_its_file_among_many(model: CloudModel, provider: Provider) -> None:
    batches = batches_of(model)
    mine = await submitted(model, "one", name="mine")
    file = await batches.upload("other", lines(model, "two"))
    for number in range(230):
        await batches.submit(f"other-{number}", file)
    assert [batch.id for batch in await batches.find("mine", mine.input_file)] == [mine.id]
    assert len(provider.batches.of("list")) == 3
    assert len(await batches.find("nobody", file)) == 230
    assert await batches.find("nobody", "file-none") == []


@pytest.mark.parametrize("model", ["openai", "azure"], indirect=True)
async def test_a_batch_is_found_by_its_name_alone(model: CloudModel, provider: Provider) -> None:
    batches = batches_of(model)
    first = await submitted(model, "one", name="mine")
    second = await submitted(model, "one", name="mine")
    await submitted(model, "one", name="mine-too")
    found = await batches.find("mine", "file-none")
    assert [batch.id for batch in found] == [second.id, first.id]


async def test_a_list_without_end_is_given_up(openai: CloudModel, provider: Provider) -> None:
    same = {"id": "b", "status": "completed", "input_file_id": "f"}
    provider.batches.refuse("list", 200, {"data": [same], "has_more": True}, times=200)
    assert len(await batches_of(openai).find("mine", "f")) == 2
    provider.batches.forget()
    for number in range(200):
        provider.batches.refuse("list", 200, {"data": [same | {"id": f"b-{number}"}], "has_more": True})
    await batches_of(openai).find("mine", "f")
    assert len(provider.batches.of("list")) == 50


async def test_others_batches_that_look_otherwise_do_not_matter(openai: CloudModel, provider: Provider) -> None:
    page = {"data": [{"id": 7}, None, {"id": "b", "status": "completed", "input_file_id": "f", "metadata": []}]}
    provider.batches.refuse("list", 200, page)
    (batch,) = await batches_of(openai).find("mine", "f")
    assert (batch.id, batch.name) == ("b", None)


async def test_a_lost_answer_leaves_a_batch_that_is_found(model: CloudModel, provider: Provider) -> None:
    batches = batches_of(model)
    file = await batches.upload("one", lines(model, "one"))
    provider.batches.lose("submit")
    with pytest.raises(Unavailable):
        await batches.submit("one", file)
    (batch,) = await batches.find("one", file)
    assert batch.id == provider.batches.made[0].id
    assert (await ended(model, batch)).status == "completed"
    assert provider.batches.paid == {"one": 1}


async def test_cancelling(model: CloudModel, provider: Provider) -> None:
    batches = batches_of(model)
    provider.batches.hold()
    batch = await submitted(model, "one", "two", "three", "four")
    assert (await batches.look(batch.id)).status == "running"
    await batches.cancel(batch.id)
    await batches.cancel(batch.id)
    batch = await ended(model, batch)
    assert batch.status == "cancelled"
    found = await results(model, batch)
    assert [found[f"l-{number}"].failure is None for number in range(4)] == [True, True, False, False]
    assert all(isinstance(found[each].failure, Unavailable) for each in ("l-2", "l-3"))
    await batches.cancel(batch.id)
    assert len(provider.batches.of("cancel")) == 3


async def test_a_cancel_that_is_turned_down_while_the_batch_runs_is_no_cancel(
    openai: CloudModel, provider: Provider
) -> None:
    provider.batches.hold()
    batch = await submitted(openai, "one")
    provider.batches.refuse("cancel", 409)
    with pytest.raises(Unavailable):
        await batches_of(openai).cancel(batch.id)


async def test_an_unknown_batch(model: CloudModel) -> None:
    batches = batches_of(model)
    for call in (batches.look("batches/none"), batches.cancel("none")):
        with pytest.raises(Misconfigured, match="is not there"):
            await call


async def test_a_file_holds_so_much_and_no_more(
    openai: CloudModel, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = batches_of(openai)
    assert batches.most_bytes == 200_000_000
    line = batches.line("x", {})
    with pytest.raises(PromptTooLarge):
        await batches.upload("many", (line for _ in range(50_001)))
    assert not provider.batches.asked
    file = await batches.upload("most", (line for _ in range(50_000)))
    assert provider.batches.files[file].content == line * 50_000
    monkeypatch.setattr(calls, "MOST_BYTES", 3 * len(line))
    with pytest.raises(PromptTooLarge):
        await batches.upload("large", [line] * 4)
    await batches.upload("large", [line] * 3)


async def test_every_option_is_in_the_line(openai: CloudModel, provider: Provider) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    asked = Prompt(messages=[Message("user", "x")], temperature=0.0, max_output_tokens=5, seed=1, json_schema=schema)
    await openai.complete(asked)
    assert json.loads(batches_of(openai).line("x", openai.body(asked)))["body"] == provider.requests[0].body
