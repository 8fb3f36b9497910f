"""Requests of `CloudModel`, its reading of answers, and its reports to the quota."""

import asyncio
import json

import pytest

from carteiro.models.cloud.call_usage import CallUsageMeter
from carteiro.models.cloud.client import CloudModel
from carteiro.models.cloud.quota import Quota, QuotaController
from carteiro.models.interface import ChatModel
from carteiro.models.prompt import Prompt
from carteiro.models.results import Completion
from carteiro.schemas import Usage
from tests.conftest import eventually
from tests.provider import Provider
from tests.unit.models.cloud.cloud_models import KEY, PROMPT, endpoint, expect_failure

pytestmark = pytest.mark.timeout(60)


async def test_load_makes_no_call(provider: Provider, model: CloudModel) -> None:
    await model.load()
    assert provider.open_connections == 0
    assert isinstance(model, ChatModel)
    assert (model.name, model.context_tokens) == ("openai:echo", None)


async def test_request_has_only_the_requested_fields(provider: Provider, model: CloudModel) -> None:
    completion = await model.complete(PROMPT)

    assert completion == Completion("one two three", "stop", Usage(input_tokens=5, output_tokens=3))
    (request,) = provider.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["Content-Type"] == "application/json"
    assert request.body == {
        "model": "echo",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "one two three"}],
    }


async def test_every_option_is_sent(provider: Provider, model: CloudModel) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "ages": {"type": "array", "items": {"type": "integer"}}},
        "required": ["name", "ages"],
        "additionalProperties": False,
    }
    completion = await model.complete(
        Prompt(
            messages=PROMPT.messages,
            temperature=0.0,
            max_output_tokens=50,
            seed=0,
            stop=["\n", "END"],
            json_schema=schema,
        )
    )

    assert json.loads(completion.text) == {"name": "text", "ages": [0]}
    body = provider.requests[0].body
    assert {name: value for name, value in body.items() if name not in ("model", "messages")} == {
        "temperature": 0.0,
        "max_completion_tokens": 50,
        "seed": 0,
        "stop": ["\n", "END"],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "completion", "schema": schema, "strict": True},
        },
    }


async def test_compatible_servers_get_max_tokens(provider: Provider) -> None:
    model = CloudModel("http://s/v1#m", endpoint(provider.url, completion_limit="max_tokens"), timeout=30)
    completion = await model.complete(Prompt(messages=PROMPT.messages, max_output_tokens=2))
    await model.close()

    assert completion == Completion("one two", "length", Usage(input_tokens=5, output_tokens=2))
    assert provider.requests[0].body["max_tokens"] == 2
    assert "max_completion_tokens" not in provider.requests[0].body


async def test_openai_environment_is_not_sent_to_other_servers(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.invalid/v1")
    model = CloudModel("http://server/v1#m", endpoint(provider.url, key=None), timeout=30)
    await model.load()
    await model.complete(PROMPT)
    await model.close()

    headers = provider.requests[0].headers
    assert KEY not in str(headers)
    assert "Authorization" not in headers


async def test_organisation_is_sent_to_openai(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    model = CloudModel("openai:echo", endpoint(provider.url, openai=True), timeout=30)
    await model.complete(PROMPT)
    await model.close()
    assert provider.requests[0].headers["OpenAI-Organization"] == "org-1"


@pytest.mark.parametrize("content", ["Grapes and", "Grapes and pears. Then and"])
async def test_a_stop_text_that_a_server_left_in_is_cut_off(
    provider: Provider, model: CloudModel, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.setattr("tests.provider.completions._text", lambda body: content)
    completion = await model.complete(Prompt(messages=PROMPT.messages, stop=["Then", " and"]))
    assert completion.text == "Grapes"


async def test_truncated_completion_is_returned_also_for_json(provider: Provider, model: CloudModel) -> None:
    provider.next("length", "length-empty")
    prompt = Prompt(messages=PROMPT.messages, json_schema={"type": "object"})
    assert (await model.complete(prompt)).text == '{"cut":'
    empty = await model.complete(prompt)
    assert (empty.text, empty.finish_reason) == ("", "length")


async def test_a_server_that_does_not_count_gets_an_estimate(provider: Provider, model: CloudModel) -> None:
    provider.next("no-usage")
    completion = await model.complete(PROMPT)
    assert completion.text == "Lisbon."
    assert completion.usage == Usage(
        input_tokens=sum(model.count_tokens(message.content) for message in PROMPT.messages),
        output_tokens=model.count_tokens("Lisbon."),
    )


async def test_an_answer_carries_its_headers(provider: Provider, model: CloudModel) -> None:
    provider.answer({"any": "JSON"}, X_RateLimit_Remaining_Requests="7")
    answer, headers = await model._send({"model": "echo", "messages": []}, CallUsageMeter(0))
    assert answer == {"any": "JSON"}
    assert headers["x-ratelimit-remaining-requests"] == "7"


async def test_call_after_a_rate_limit_waits_for_retry_after(provider: Provider) -> None:
    clock = ManualClock()
    model = CloudModel("openai:echo", endpoint(provider.url), timeout=30, quota=Quota(QuotaController(), clock))
    provider.next("429")
    assert (await expect_failure(model)).retry_after == 7
    asking = asyncio.create_task(model.complete(PROMPT))
    await asyncio.sleep(0.05)
    clock.now += 6.9
    await asyncio.sleep(0.05)
    assert len(provider.requests) == 1
    clock.now += 5
    model._quota._changed.set()
    assert (await asking).text == "one two three"
    await model.close()


async def test_tokens_are_estimated_before_a_call_and_settled_after_it(provider: Provider) -> None:
    """A minute has room for a thousand tokens. A call that is expected to be large and is small delays no other
    call.
    """
    clock = ManualClock()
    controller = QuotaController(tokens_per_minute=1000)
    model = CloudModel("openai:echo", endpoint(provider.url), timeout=30, quota=Quota(controller, clock))
    provider.hold()
    asking = asyncio.create_task(model.complete(PROMPT))
    await eventually(lambda: len(provider.requests) == 1)
    expected = controller.wait(clock(), 1)
    provider.release()
    await asking
    assert controller.wait(clock(), 1) < expected
    await model.close()


class ManualClock:
    """Clock that stands still until a test advances it."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now
