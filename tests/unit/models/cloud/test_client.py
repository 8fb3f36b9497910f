"""`CloudModel` against the local provider: what it sends, what it makes of every answer and every fault."""

import asyncio
import json
import socket
import time
import traceback
from collections.abc import AsyncIterator, Callable

import pytest
from pydantic import SecretStr

from carteiro.models.cloud.client import CloudModel
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.errors import failure_of
from carteiro.models.cloud.keys import Key, NoKey
from carteiro.models.cloud.quota import Controller, Quota
from carteiro.models.failures import (
    ContentFiltered,
    InvalidOutput,
    InvalidPrompt,
    Misconfigured,
    ModelFailure,
    PromptTooLarge,
    QuotaExhausted,
    RateLimited,
    Refused,
    Unavailable,
    Unsupported,
)
from carteiro.models.interface import ChatModel, Completion, Message, Prompt
from carteiro.schemas import Usage
from tests.provider import FAULTS, Provider

pytestmark = pytest.mark.timeout(60)

KEY = "sk-qqzz-0123456789abcdefghij-zzqq"
PROMPT = Prompt(messages=[Message("system", "Be brief."), Message("user", "one two three")])
ENDLESS = ["hang", "hang-after-headers", "trickle"]


def endpoint(url: str, *, model: str = "echo", key: str | None = KEY, **more) -> Endpoint:
    credential = Key("OPENAI_API_KEY", SecretStr(key), None) if key else NoKey("CARTEIRO_SERVER_API_KEY")
    options = {"completion_limit": "max_completion_tokens", **more}
    return Endpoint(model=model, url=url, api="chat", credential=credential, check="the model's name", **options)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider() as provider:
        yield provider


@pytest.fixture
async def model(provider: Provider) -> AsyncIterator[CloudModel]:
    model = CloudModel("openai:echo", endpoint(provider.url), timeout=30)
    yield model
    await model.close()


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.005)


async def failure(model: CloudModel, prompt: Prompt = PROMPT) -> ModelFailure:
    with pytest.raises(ModelFailure) as caught:
        await model.complete(prompt)
    return caught.value


# -- what is sent, and what comes back --


async def test_sends_what_was_asked_and_nothing_else(provider: Provider, model: CloudModel) -> None:
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


async def test_sends_every_option(provider: Provider, model: CloudModel) -> None:
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


async def test_says_max_tokens_to_servers_that_know_no_other_word(provider: Provider) -> None:
    model = CloudModel("http://s/v1#m", endpoint(provider.url, completion_limit="max_tokens"), timeout=30)
    completion = await model.complete(Prompt(messages=PROMPT.messages, max_output_tokens=2))
    await model.close()

    assert completion == Completion("one two", "length", Usage(input_tokens=5, output_tokens=2))
    assert provider.requests[0].body["max_tokens"] == 2
    assert "max_completion_tokens" not in provider.requests[0].body


async def test_what_openais_sdk_finds_in_the_environment_is_not_for_other_servers(
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


async def test_openais_own_organisation_goes_to_openai(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_a_cut_completion_is_returned_also_where_json_was_asked(provider: Provider, model: CloudModel) -> None:
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


# -- every fault --

FAILURES: dict[str, tuple[type[ModelFailure], str]] = {
    "400": (InvalidPrompt, "Expected a value <= 2, but got 3"),
    "400-long": (InvalidPrompt, "Something is wrong"),
    "422": (InvalidPrompt, "Unexpected fields in the request: {'seed'}"),
    "422-list": (InvalidPrompt, "turned the request down"),
    "unsupported": (Unsupported, "'temperature' does not support 0.2"),
    "context": (PromptTooLarge, "8192 tokens"),
    "context-vllm": (PromptTooLarge, "8192 tokens"),
    "context-llama.cpp": (PromptTooLarge, "context size"),
    "413": (PromptTooLarge, "too large"),
    "filter-prompt": (ContentFiltered, "the prompt"),
    "filter-completion": (ContentFiltered, "the completion"),
    "refusal": (Refused, "declined"),
    "401": (Misconfigured, "OPENAI_API_KEY"),
    "401-as-400": (Misconfigured, "OPENAI_API_KEY"),
    "403": (Misconfigured, "OPENAI_API_KEY"),
    "404": (Misconfigured, "the model's name"),
    "404-as-400": (Misconfigured, "the model's name"),
    "405": (Misconfigured, "405"),
    "429": (RateLimited, "rate limit"),
    "429-ms": (RateLimited, "rate limit"),
    "429-date": (RateLimited, "rate limit"),
    "429-past": (RateLimited, "rate limit"),
    "429-nonsense": (RateLimited, "rate limit"),
    "429-silent": (RateLimited, "rate limit"),
    "quota": (QuotaExhausted, "billing"),
    "402": (QuotaExhausted, "billing"),
    "408": (Unavailable, "408"),
    "409": (Unavailable, "409"),
    "500": (Unavailable, "500"),
    "502": (Unavailable, "502"),
    "503": (Unavailable, "503"),
    "drop": (Unavailable, "connection"),
    "cut": (Unavailable, "connection"),
    "not-http": (Unavailable, ""),
    "not-json": (Unavailable, "not a completion"),
    "not-utf8": (Unavailable, "not a completion"),
    "html": (Unavailable, "not a completion"),
    "error-as-200": (Unavailable, "not a completion"),
    "no-choices": (Unavailable, "not a completion"),
    "no-message": (Unavailable, "not a completion"),
    "no-finish": (Unavailable, "not a completion"),
    "error-half-way": (Unavailable, "'error'"),
    "no-content": (InvalidOutput, "without a text"),
    "tool-calls": (InvalidOutput, "tool"),
}
RETRYABLE = (RateLimited, Unavailable)


def test_no_fault_is_left_out() -> None:
    assert set(FAULTS) == {*FAILURES, *ENDLESS, "length", "length-empty", "no-usage"}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_fault_is_a_typed_failure(name: str, provider: Provider, model: CloudModel) -> None:
    kind, words = FAILURES[name]
    provider.next(name)
    raised = await failure(model)

    assert type(raised) is kind
    assert words in raised.message
    assert raised.message.startswith("The ") or "openai:echo" in raised.message
    assert raised.retryable == (kind in RETRYABLE)
    assert len(provider.requests) == 1, "a call is not repeated here"


@pytest.mark.parametrize("name", FAILURES)
async def test_no_failure_tells_a_secret(name: str, provider: Provider, model: CloudModel) -> None:
    provider.next(name)
    raised = await failure(model)

    told = "".join(traceback.format_exception(raised)) + repr(raised) + repr(model)
    for part in (KEY, KEY[:8], KEY[-4:]):
        assert part not in told
    assert "secret" not in raised.message, "an organisation or a project"
    assert "one two three" not in told, "a prompt"
    assert "Lisbon." not in told, "a completion"
    assert len(raised.message) < 400


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("429", 7.0),
        ("429-ms", 1.5),
        ("429-date", 90.0),
        ("429-past", 0.0),
        ("429-nonsense", None),
        ("429-silent", None),
        ("quota", None),
    ],
)
async def test_how_long_to_wait(name: str, seconds: float | None, provider: Provider, model: CloudModel) -> None:
    provider.next(name)
    raised = await failure(model)
    assert isinstance(raised, RateLimited)
    assert raised.retry_after == seconds


async def test_nobody_listens(model: CloudModel) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        port = taken.getsockname()[1]
        for address in (f"http://127.0.0.1:{port}/v1", "http://nowhere.invalid/v1", "nowhere/v1"):
            lonely = CloudModel("openai:echo", endpoint(address), timeout=30)
            raised = await failure(lonely)
            await lonely.close()
            assert type(raised) is Unavailable, address
            assert "cannot be reached" in raised.message


def test_what_nobody_foresaw_is_unavailable() -> None:
    raised = failure_of(LookupError("sk-secret"), "openai:echo", endpoint("http://nowhere"))
    assert type(raised) is Unavailable
    assert raised.message == "The call of openai:echo failed (LookupError)"


async def test_the_cause_is_kept_where_it_is_harmless(provider: Provider, model: CloudModel) -> None:
    provider.next("500", "not-json", "401")
    assert "Error code: 500" in str((await failure(model)).__cause__)
    assert (await failure(model)).__cause__ is not None
    assert (await failure(model)).__cause__ is None


async def test_the_next_call_is_not_harmed_by_a_fault(provider: Provider, model: CloudModel) -> None:
    provider.next("cut", "not-http", "drop")
    for _ in range(3):
        await failure(model)
    assert (await model.complete(PROMPT)).text == "one two three"


# -- time, and connections --


@pytest.mark.parametrize("name", ENDLESS)
async def test_a_call_that_never_ends_is_ended(name: str, provider: Provider) -> None:
    model = CloudModel("openai:echo", endpoint(provider.url, model=f"fault-{name}"), timeout=0.2)
    raised = await failure(model)

    assert type(raised) is Unavailable
    assert raised.message == "openai:echo gave no complete answer within 0.2 s"
    await until(lambda: provider.requests[0].abandoned)  # the server is not left working for nobody
    await model.close()


@pytest.mark.parametrize("name", ENDLESS)
async def test_a_cancelled_call_closes_its_connection(name: str, provider: Provider, model: CloudModel) -> None:
    provider.next(name)
    call = asyncio.create_task(model.complete(PROMPT))
    await until(lambda: bool(provider.requests))
    assert not provider.requests[0].abandoned

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await until(lambda: provider.requests[0].abandoned)
    await until(lambda: provider.open_connections == 0)


async def test_a_refusal_carries_its_headers(provider: Provider, model: CloudModel) -> None:
    provider.answer({"error": {}}, 429, X_RateLimit_Remaining_Requests="0")
    raised = await failure(model)
    assert isinstance(raised, RateLimited)
    assert raised.headers["x-ratelimit-remaining-requests"] == "0"


async def test_an_answer_carries_its_headers(provider: Provider, model: CloudModel) -> None:
    provider.answer({"any": "JSON"}, X_RateLimit_Remaining_Requests="7")
    answer, headers = await model._send({"model": "echo", "messages": []})
    assert answer == {"any": "JSON"}
    assert headers["x-ratelimit-remaining-requests"] == "7"


async def test_many_calls_share_connections(provider: Provider, model: CloudModel) -> None:
    connections: set[int] = set()
    for _ in range(3):
        provider.hold()
        provider.requests.clear()
        calls = [asyncio.create_task(model.complete(PROMPT)) for _ in range(16)]
        await until(lambda: len(provider.requests) == 16)  # all in flight at once
        provider.release()
        await asyncio.gather(*calls)
        connections |= {request.connection for request in provider.requests}
    assert len(connections) == 16


async def test_close_gives_the_connections_back(provider: Provider, model: CloudModel) -> None:
    await model.complete(PROMPT)
    assert provider.open_connections == 1
    await model.close()
    await until(lambda: provider.open_connections == 0, seconds=2)  # an idle one is closed after 5 anyway
    await model.close()


# -- before the first call --


async def test_load_calls_nobody(provider: Provider, model: CloudModel) -> None:
    await model.load()
    assert provider.open_connections == 0
    assert isinstance(model, ChatModel)
    assert (model.name, model.context_tokens) == ("openai:echo", None)


@pytest.mark.parametrize(
    ("text", "o200k_tokens"),  # counted with OpenAI's o200k_base
    [
        ("", 0),
        ("The council voted on Tuesday to open a night market by the river from May to September.", 18),
        ("A câmara municipal votou na terça-feira a abertura de um mercado noturno junto ao rio.", 20),
        ("市议会周二投票决定从五月到九月在河边开设夜市。", 21),
        ("Городской совет во вторник проголосовал за открытие ночного рынка у реки.", 20),
        ('{"id": 17, "name": "n17", "v": 23.29, "ok": true}', 26),
        ("2026-11-24T12:05:33Z 2026-01-13T09:41:07Z", 27),
        ("😀🎉🚀", 5),
    ],
)
async def test_the_estimate_is_rather_high_than_low(text: str, o200k_tokens: int, model: CloudModel) -> None:
    assert o200k_tokens <= model.count_tokens(text) <= 4 * o200k_tokens


# -- its quota --


async def test_who_comes_after_a_rate_limit_waits_as_long_as_the_provider_asked(provider: Provider) -> None:
    clock = Clock()
    model = CloudModel("openai:echo", endpoint(provider.url), timeout=30, quota=Quota(Controller(), clock))
    provider.next("429")
    assert (await failure(model)).retry_after == 7
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
    """A minute has room for a thousand tokens: a call that is expected to be large and is small holds nobody up."""
    clock = Clock()
    quota = Quota(Controller(tokens_per_minute=1000), clock)
    model = CloudModel("openai:echo", endpoint(provider.url), timeout=30, quota=quota)
    provider.hold()
    asking = asyncio.create_task(model.complete(PROMPT))
    await until(lambda: len(provider.requests) == 1)
    expected = quota.wait(1)
    provider.release()
    await asking
    assert quota.wait(1) < expected
    await model.close()


class Clock:
    """Stands still unless it is told to go on."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now
