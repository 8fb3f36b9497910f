"""What becomes of each line, and of files that are not as they should be."""

import json

import pytest
from structlog.testing import capture_logs

from carteiro.models.cloud.batches import lines as lines_module
from carteiro.models.cloud.batches.interface import Batch
from carteiro.models.cloud.batches.lines import read, split
from carteiro.models.cloud.client import CloudModel
from carteiro.models.failures import (
    ContentFiltered,
    InvalidPrompt,
    Misconfigured,
    ModelFailure,
    PromptTooLarge,
    QuotaExhausted,
    RateLimited,
    Unavailable,
    Unsupported,
)
from tests.provider import Provider
from tests.provider.azure import AZURE
from tests.unit.models.cloud.asking import KEY, failure
from tests.unit.models.cloud.batches.doing import batches_of, done, ended, open_at, prompt, results, submitted

FAULTS: dict[str, type[ModelFailure]] = {
    "400": InvalidPrompt,
    "context": PromptTooLarge,
    "413": PromptTooLarge,
    "filter-prompt": ContentFiltered,
    "unsupported": Unsupported,
    "422": InvalidPrompt,
    "404": Misconfigured,
    "401": Misconfigured,
    "429": RateLimited,
    "quota": QuotaExhausted,
    "500": Unavailable,
    "503": Unavailable,
    "408": Unavailable,
    "hang": Unavailable,
    "drop": Unavailable,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["openai", "google"])
async def test_a_line_fails_as_a_live_call_does(kind: str, fault: str, provider: Provider) -> None:
    model = open_at(provider, kind, f"fault-{fault}", CARTEIRO_MODEL_TIMEOUT_SECONDS="1")
    found = await done(model, "one two three")
    raised = found["l-0"].failure
    assert raised is not None
    assert found["l-0"].answer is None
    assert type(raised) is FAULTS[fault]
    live = await failure(model, prompt("one two three"))
    assert type(raised) is type(live)
    if fault not in ("hang", "drop"):
        assert raised.message == live.message
    assert KEY not in raised.message
    assert not provider.batches.paid
    await model.close()


async def test_failed_lines_are_beside_the_answered(openai: CloudModel, provider: Provider) -> None:
    batches = batches_of(openai)
    other = {"model": "fault-400", "messages": [{"role": "user", "content": "bad"}]}
    sent = [batches.line("good", openai.body(prompt("one"))), batches.line("bad", other)]
    batch = await ended(openai, await batches.submit("n", await batches.upload("n", sent)))
    assert len(batch.outputs) == 2
    found = await results(openai, batch)
    assert found["good"].failure is None
    assert isinstance(found["bad"].failure, InvalidPrompt)


async def test_in_any_order_and_with_holes(model: CloudModel, provider: Provider) -> None:
    provider.batches.order = "shuffled"
    provider.batches.missing("l-3", "word 7")
    batch = await ended(model, await submitted(model, *(f"word {number}" for number in range(20))))
    found = [result async for result in batches_of(model).results(batch)]
    assert {result.id for result in found} == {f"l-{number}" for number in range(20)} - {"l-3", "l-7"}
    order = [int(result.id.removeprefix("l-")) for result in found]
    assert order != sorted(order)
    assert set(provider.batches.paid) == {f"word {number}" for number in range(20)} - {"word 3", "word 7"}


async def test_what_an_expired_batch_has_done_counts(model: CloudModel, provider: Provider) -> None:
    provider.batches.expire(0.75)
    batch = await ended(model, await submitted(model, "one", "two", "three", "four"))
    assert batch.status == "expired"
    found = await results(model, batch)
    assert [each.failure is None for each in found.values()] == [True, True, True, False]
    raised = found["l-3"].failure
    assert isinstance(raised, Unavailable)
    assert "expired" in raised.message
    assert provider.batches.paid.total() == 3


@pytest.mark.parametrize(
    ("code", "message", "line", "told"),
    [
        ("invalid_json_line", "This line is not parseable as valid JSON.", 7, "line 7: This line is not parseable"),
        ("model_not_found", "The provided model 'x' is not supported.", None, "The provided model 'x'"),
        ("empty_file", "", None, "empty_file"),
        ("x", "word " * 200, None, "word word"),
    ],
)
async def test_a_batch_that_fails_says_why(code, message, line, told, model: CloudModel, provider: Provider) -> None:
    provider.batches.fail(code, message, line)
    batch = await ended(model, await submitted(model, "one"))
    assert (batch.status, batch.code) == ("failed", code)
    assert batch.problem.startswith(told)
    assert len(batch.problem) <= 310
    assert await results(model, batch) == {}


async def test_too_many_tokens_wait_already(model: CloudModel, provider: Provider) -> None:
    provider.batches.token_limit = 5
    provider.batches.hold()
    first = await submitted(model, "one two three")
    await batches_of(model).look(first.id)
    second = await ended(model, await submitted(model, "four five six"))
    assert (second.status, second.code) == ("failed", "token_limit_exceeded")
    assert "limit" in second.problem
    assert "secret" not in second.problem
    provider.batches.release()
    assert (await ended(model, first)).status == "completed"
    assert (await ended(model, await submitted(model, "four five six"))).status == "completed"


@pytest.mark.parametrize("errors", [None, {}, {"data": []}, {"data": [{}]}, [], "no", {"data": [{"line": "x"}]}])
async def test_a_failure_without_a_reason(errors, openai: CloudModel, provider: Provider) -> None:
    provider.batches.refuse("look", 200, {"id": "b", "status": "failed", "errors": errors})
    batch = await batches_of(openai).look("b")
    assert (batch.status, batch.problem, batch.code) == ("failed", "the provider gives no reason", None)


@pytest.mark.parametrize("status", ["validating", "in_progress", "finalizing", "cancelling", "paused", "Validating"])
async def test_what_has_not_ended_runs(status: str, openai: CloudModel, provider: Provider) -> None:
    provider.batches.refuse("look", 200, {"id": "b", "status": status, "output_file_id": ""})
    batch = await batches_of(openai).look("b")
    assert batch == Batch("b", None, "", "running")


RUBBISH = [b"", b"  ", b"no json", b'{"custom_id": 7}', b"[]", b'{"response": {}}', b"\xff\xfe", b'{"custom_id": "l-0"']


async def test_lines_that_cannot_be_read_are_left_out(model: CloudModel, provider: Provider) -> None:
    provider.batches.rubbish = RUBBISH
    provider.batches.order = "shuffled"
    batch = await ended(model, await submitted(model, "one", "two"))
    with capture_logs() as logs:
        found = await results(model, batch)
    assert sorted(found) == ["l-0", "l-1"]
    (entry,) = logs
    assert (entry["log_level"], entry["batch"], entry["lines"]) == ("warning", batch.id, 6)
    assert "no json" not in str(entry)


async def pieces(*parts: bytes):
    for part in parts:
        yield part


@pytest.mark.parametrize(
    ("parts", "lines"),
    [
        ((b"one\ntwo\n",), [b"one", b"two"]),
        ((b"o", b"ne\r\n", b"", b"\n\ntw", b"o"), [b"one", b"two"]),
        ((b"a\xe2\x80\xa8b\x0bc\n",), [b"a\xe2\x80\xa8b\x0bc"]),
        ((), []),
    ],
)
async def test_only_a_line_feed_ends_a_line(parts, lines) -> None:
    assert [line async for line in split(pieces(*parts))] == lines


async def test_a_line_without_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "LONGEST", 10)
    assert [line async for line in split(pieces(b"x" * 8, b"y" * 8, b"z\n", b"ok\n"))] == [b"xxxxxxxxyyz", b"ok"]


def line(**fields: object) -> bytes:
    return json.dumps({"custom_id": "x", **fields}).encode()


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        ({"code": "batch_expired", "message": "m"}, Unavailable, "expired"),
        ({"code": "batch_cancelled", "message": "m"}, Unavailable, "cancelled"),
        ({"code": "request_timeout", "message": "m"}, Unavailable, "no answer"),
        ({"code": "rate_limit_exceeded", "message": "m"}, RateLimited, "rate limit"),
        ({"code": "insufficient_quota", "message": "m"}, QuotaExhausted, "billing"),
        ({"code": "context_length_exceeded", "message": "m"}, PromptTooLarge, "context"),
        ({"code": "content_filter", "message": "m"}, ContentFiltered, "content filter"),
        ({"code": "invalid_request", "message": "bad field"}, InvalidPrompt, "bad field"),
        ({"code": "model_not_found", "message": "m"}, Misconfigured, "not there"),
        ({"code": "429", "message": "m"}, RateLimited, "rate limit"),
        ({"code": 400, "message": "bad field"}, InvalidPrompt, "bad field"),
        ({"code": 3, "message": "bad field"}, InvalidPrompt, "bad field"),
        ({"code": 8, "message": "m"}, RateLimited, "rate limit"),
        ({"code": 13, "message": "m"}, Unavailable, "503"),
        ({"message": "m"}, Unavailable, "no answer"),
        ({"code": []}, Unavailable, "no answer"),
        ("rubbish", Unavailable, "no answer"),
        (None, Unavailable, "no answer"),
    ],
)
async def test_lines_without_an_http_answer(error, kind, words, openai: CloudModel) -> None:
    for response in ({}, {"response": None}, {"response": {}}):
        result = read(line(error=error, **response), "openai:x", openai._endpoint)
        assert result.id == "x"
        assert type(result.failure) is kind
        assert words in result.failure.message


@pytest.mark.parametrize("name", AZURE)
async def test_azures_refusals_in_a_line(name: str, azure: CloudModel, provider: Provider) -> None:
    status, body, headers = AZURE[name]
    provider.answer(body, status, **headers)
    live = await failure(azure)
    for said in (body, json.dumps(body)):
        result = read(line(response={"status_code": status, "body": said}), azure.name, azure._endpoint)
        assert type(result.failure) is type(live)
        assert result.failure.message == live.message


async def test_an_answer_that_was_put_in_as_text(openai: CloudModel) -> None:
    result = read(line(response={"status_code": 200, "body": '{"choices": []}'}), "openai:x", openai._endpoint)
    assert result.answer == {"choices": []}


async def test_an_answer_that_is_none_fails_when_it_is_read(openai: CloudModel) -> None:
    for answer in (None, {}, "rubbish", {"choices": []}):
        with pytest.raises(Unavailable, match="not a completion"):
            openai.completion(answer, prompt("one"))


@pytest.mark.parametrize(("finish", "kind"), [("content_filter", ContentFiltered), ("error", Unavailable)])
async def test_a_completion_that_went_wrong_fails_when_it_is_read(finish, kind, openai: CloudModel) -> None:
    answer = {"choices": [{"message": {"content": "x"}, "finish_reason": finish}]}
    with pytest.raises(kind):
        openai.completion(answer, prompt("one"))
