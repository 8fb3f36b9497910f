"""Results of each line, and files with faults."""

import json

import pytest
from structlog.testing import capture_logs

from carteiro.models.cloud.batch_api import jsonl as lines_module
from carteiro.models.cloud.batch_api.jsonl import parse_result, split_lines
from carteiro.models.cloud.client import CloudModel
from carteiro.models.errors import (
    ContentFiltered,
    InvalidPrompt,
    Misconfigured,
    ModelError,
    PromptTooLarge,
    QuotaExhausted,
    RateLimited,
    Unavailable,
    Unsupported,
)
from tests.provider import Provider
from tests.provider.azure import AZURE
from tests.unit.models.cloud.batch_api.batch_calls import (
    batch_api_of,
    open_model,
    prompt,
    read_results,
    run_batch,
    submit_batch,
    wait_until_ended,
)
from tests.unit.models.cloud.cloud_models import KEY, expect_failure

FAULTS: dict[str, type[ModelError]] = {
    "400": InvalidPrompt,
    "context": PromptTooLarge,
    "413": PromptTooLarge,
    "filter-prompt": ContentFiltered,
    "unsupported": Unsupported,
    "422": Unsupported,
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
    model = open_model(provider, kind, f"fault-{fault}")
    found = await run_batch(model, "one two three")
    raised = found["l-0"].error
    assert raised is not None
    assert found["l-0"].answer is None
    assert type(raised) is FAULTS[fault]
    impatient = {"CARTEIRO_MODEL_TIMEOUT_SECONDS": "1"} if fault == "hang" else {}
    live_model = open_model(provider, kind, f"fault-{fault}", **impatient)
    live = await expect_failure(live_model, prompt("one two three"))
    assert type(raised) is type(live)
    if fault not in ("hang", "drop"):
        assert raised.message == live.message
    assert KEY not in raised.message
    assert not provider.batches.paid
    await model.close()
    await live_model.close()


async def test_failed_lines_are_next_to_the_answered_lines(openai: CloudModel, provider: Provider) -> None:
    batches = batch_api_of(openai)
    other = {"model": "fault-400", "messages": [{"role": "user", "content": "bad"}]}
    sent = [batches.encode_line("good", openai.body(prompt("one"))), batches.encode_line("bad", other)]
    batch = await wait_until_ended(openai, await batches.submit("n", await batches.upload("n", sent)))
    assert len(batch.output_files) == 2
    found = await read_results(openai, batch)
    assert found["good"].error is None
    assert isinstance(found["bad"].error, InvalidPrompt)


async def test_results_come_in_any_order_and_with_gaps(model: CloudModel, provider: Provider) -> None:
    provider.batches.order = "shuffled"
    provider.batches.omit("l-3", "word 7")
    batch = await wait_until_ended(model, await submit_batch(model, *(f"word {number}" for number in range(20))))
    found = [result async for result in batch_api_of(model).results(batch)]
    assert {result.id for result in found} == {f"l-{number}" for number in range(20)} - {"l-3", "l-7"}
    order = [int(result.id.removeprefix("l-")) for result in found]
    assert order != sorted(order)
    assert set(provider.batches.paid) == {f"word {number}" for number in range(20)} - {"word 3", "word 7"}


async def test_results_of_an_expired_batch_count(model: CloudModel, provider: Provider) -> None:
    provider.batches.expire(0.75)
    batch = await wait_until_ended(model, await submit_batch(model, "one", "two", "three", "four"))
    assert batch.status == "expired"
    found = await read_results(model, batch)
    assert [each.error is None for each in found.values()] == [True, True, True, False]
    raised = found["l-3"].error
    assert isinstance(raised, Unavailable)
    assert "expired" in raised.message
    assert provider.batches.paid.total() == 3


MALFORMED = [
    b"",
    b"  ",
    b"no json",
    b'{"custom_id": 7}',
    b"[]",
    b'{"response": {}}',
    b"\xff\xfe",
    b'{"custom_id": "l-0"',
]


async def test_unreadable_lines_are_left_out(model: CloudModel, provider: Provider) -> None:
    provider.batches.invalid_lines = MALFORMED
    provider.batches.order = "shuffled"
    batch = await wait_until_ended(model, await submit_batch(model, "one", "two"))
    with capture_logs() as logs:
        found = await read_results(model, batch)
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
    assert [line async for line in split_lines(pieces(*parts))] == lines


async def test_endless_line_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "MAX_LINE_BYTES", 10)
    assert [line async for line in split_lines(pieces(b"x" * 8, b"y" * 8, b"z\n", b"ok\n"))] == [b"xxxxxxxxyyz", b"ok"]


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
        ("malformed", Unavailable, "no answer"),
        (None, Unavailable, "no answer"),
    ],
)
async def test_line_without_an_http_answer_is_a_failure(error, kind, words, openai: CloudModel) -> None:
    for response in ({}, {"response": None}, {"response": {}}):
        result = parse_result(line(error=error, **response), "openai:x", openai._endpoint)
        assert result.id == "x"
        assert type(result.error) is kind
        assert words in result.error.message


@pytest.mark.parametrize("name", AZURE)
async def test_azures_refusals_in_a_line(name: str, azure: CloudModel, provider: Provider) -> None:
    status, body, headers = AZURE[name]
    provider.answer(body, status, **headers)
    live = await expect_failure(azure)
    for encoded in (body, json.dumps(body)):
        result = parse_result(line(response={"status_code": status, "body": encoded}), azure.name, azure._endpoint)
        assert type(result.error) is type(live)
        assert result.error.message == live.message


async def test_answer_encoded_as_text_is_decoded(openai: CloudModel) -> None:
    result = parse_result(line(response={"status_code": 200, "body": '{"choices": []}'}), "openai:x", openai._endpoint)
    assert result.answer == {"choices": []}


async def test_invalid_answer_fails_when_it_is_read(openai: CloudModel) -> None:
    for answer in (None, {}, "malformed", {"choices": []}):
        with pytest.raises(Unavailable, match="not a completion"):
            openai.completion(answer, prompt("one"))


@pytest.mark.parametrize(("finish", "kind"), [("content_filter", ContentFiltered), ("error", Unavailable)])
async def test_failed_completion_fails_when_it_is_read(finish, kind, openai: CloudModel) -> None:
    answer = {"choices": [{"message": {"content": "x"}, "finish_reason": finish}]}
    with pytest.raises(kind):
        openai.completion(answer, prompt("one"))
