"""Answers in the background: begun once, polled, found again by their ids, and given up if a provider keeps none."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai import AsyncOpenAI, NotFoundError

from carteiro.models.abilities import runs_in_background
from carteiro.models.cloud import background
from carteiro.models.cloud.background import BackgroundPolicy, pending_id
from carteiro.models.cloud.client import CloudModel
from carteiro.models.errors import ContentFiltered, ModelError, RateLimited, Unavailable, attached_usage
from carteiro.models.interface import BackgroundCall
from carteiro.models.prompt import Prompt
from carteiro.models.results import Completion
from carteiro.schemas import Usage
from tests.conftest import eventually
from tests.provider import Provider
from tests.provider.completions import message, response
from tests.unit.models.cloud.cloud_models import KEY, PROMPT, endpoint, open_cloud_model

DONE = Completion("one two three", "stop", Usage(input_tokens=5, output_tokens=3))
POLICY = BackgroundPolicy(0, (0.001, 0.002))


class KeptCall(BackgroundCall):
    """Call whose id a test keeps."""

    is_superseded = False

    def __init__(self, provider: Provider, identity: str | None = None) -> None:
        self._provider, self._id = provider, identity
        self.begun: list[str] = []
        self.looks_before: int = 0
        """Number of polls before the last begin."""

    @property
    def id(self) -> str | None:
        return self._id

    def on_asked(self) -> None:
        """No-op."""

    async def begin(self, identity: str) -> None:
        self.looks_before = len(self._provider.background.of("look"))
        self._id = identity
        self.begun.append(identity)

    def end(self) -> None:
        self._id = None


@pytest.fixture
async def model(provider: Provider) -> AsyncIterator[CloudModel]:
    model = CloudModel("openai:echo", endpoint(provider.url, api="responses"), timeout=30, background=POLICY)
    yield model
    await model.close()


async def test_answer_is_begun_once_and_polled(provider: Provider, model: CloudModel) -> None:
    call = KeptCall(provider)
    assert await model.complete_in_background(PROMPT, call) == DONE
    (request,) = provider.requests
    assert (request.body["background"], request.body["store"]) == (True, True)
    assert (call.begun, call.looks_before, call.id) == (["resp_000001"], 0, None)
    assert len(provider.background.of("look")) == provider.background.looks
    assert provider.background.requests[0].headers["Authorization"] == f"Bearer {KEY}"


async def test_answer_that_was_begun_earlier_is_not_asked_for_again(provider: Provider, model: CloudModel) -> None:
    call = KeptCall(provider)
    provider.background.hold()
    interrupted = asyncio.create_task(model.complete_in_background(PROMPT, call))
    await eventually(lambda: provider.background.of("look"))
    interrupted.cancel()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await interrupted
    assert attached_usage(cancelled.value) is None, "the answer's usage is counted when it arrives"
    assert provider.background.of("cancel") == []
    provider.background.release()
    assert await model.complete_in_background(PROMPT, KeptCall(provider, call.id)) == DONE
    assert provider.calls.total() == 1


async def test_deleted_answer_is_asked_for_again(provider: Provider, model: CloudModel) -> None:
    call = KeptCall(provider, "resp_deleted")
    assert await model.complete_in_background(PROMPT, call) == DONE
    assert call.begun == ["resp_000001"]


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        ({"status": "failed", "error": {"code": "server_error", "message": "x"}}, Unavailable),
        ({"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "x"}}, RateLimited),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, ContentFiltered),
        ({"status": "cancelled"}, Unavailable),
        ({"status": "expired"}, Unavailable),
    ],
)
async def test_answer_that_ends_badly_is_an_error_and_forgotten(
    provider: Provider, model: CloudModel, end: dict[str, Any], kind: type[ModelError]
) -> None:
    provider.background.next_end(**end, usage={"input_tokens": 7, "output_tokens": 2})
    call = KeptCall(provider)
    with pytest.raises(kind) as caught:
        await model.complete_in_background(PROMPT, call)
    assert type(caught.value) is kind
    assert caught.value.usage == Usage(input_tokens=7, output_tokens=2)
    assert call.id is None


async def test_cut_answer_is_a_completion(provider: Provider, model: CloudModel) -> None:
    details = {"reason": "max_output_tokens"}
    provider.background.next_end("incomplete", incomplete_details=details, output=[message("Lis")])
    done = await model.complete_in_background(PROMPT, KeptCall(provider))
    assert (done.text, done.finish_reason) == ("Lis", "length")


async def test_failed_polls_lose_nothing(provider: Provider, model: CloudModel) -> None:
    provider.background.refuse("look", 503, times=3)
    provider.background.refuse("look", 429, {"error": {"message": "slowly"}})
    assert await model.complete_in_background(PROMPT, KeptCall(provider)) == DONE
    call = KeptCall(provider, provider.background.created[0].id)
    provider.background.refuse("look", 503, times=100)
    with pytest.raises(Unavailable):
        await model.complete_in_background(PROMPT, call)
    assert call.id == provider.background.created[0].id, "another try finds it"
    provider.background.forget()
    assert await model.complete_in_background(PROMPT, call) == DONE
    assert provider.calls.total() == 1


async def test_new_answer_may_be_unknown_for_a_moment(provider: Provider, model: CloudModel) -> None:
    provider.background.unknown_looks = 2
    assert await model.complete_in_background(PROMPT, KeptCall(provider)) == DONE
    assert provider.calls.total() == 1


async def test_answer_that_gets_lost_is_an_error(provider: Provider, model: CloudModel) -> None:
    provider.background.hold()
    call = KeptCall(provider)
    waiting = asyncio.create_task(model.complete_in_background(PROMPT, call))
    await eventually(lambda: provider.background.of("look"))
    provider.background.delete()
    with pytest.raises(Unavailable, match="has lost an answer"):
        await waiting
    assert call.id is None


@pytest.mark.parametrize(
    ("status", "text", "param"),
    [
        (400, "Unknown parameter: 'background'.", "background"),
        (400, "Background mode is not supported with this model.", None),
        (422, "body.background: Extra inputs are not permitted", None),
    ],
)
async def test_background_is_taken_back_where_it_is_refused(
    provider: Provider, model: CloudModel, status: int, text: str, param: str | None
) -> None:
    provider.answer({"error": {"message": text, "type": "invalid_request_error", "param": param}}, status)
    assert await model.complete_in_background(PROMPT, KeptCall(provider)) == DONE
    assert "background" not in provider.requests[1].body
    assert provider.requests[1].body["store"] is False
    assert not runs_in_background(model, PROMPT)


async def test_background_is_taken_back_where_answers_are_not_kept(provider: Provider, model: CloudModel) -> None:
    provider.background.unknown_looks = 1000
    call = KeptCall(provider)
    assert await model.complete_in_background(PROMPT, call) == DONE
    assert ["background" in each.body for each in provider.requests] == [True, False]
    assert call.id is None
    assert not runs_in_background(model, PROMPT)


async def test_provider_may_answer_at_once(provider: Provider, model: CloudModel) -> None:
    provider.answer(response({"model": "echo"}, [message("yes")]))
    call = KeptCall(provider)
    assert (await model.complete_in_background(PROMPT, call)).text == "yes"
    assert call.begun == []


async def test_wait_is_bounded_and_the_answer_cancelled(
    provider: Provider, model: CloudModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "MAX_SECONDS", 0.05)
    provider.background.hold()
    call = KeptCall(provider)
    with pytest.raises(Unavailable, match=r"no answer within 0.05 s"):
        await model.complete_in_background(PROMPT, call)
    assert (provider.background.created[0].status, call.id) == ("cancelled", None)


async def test_id_that_is_none_is_not_polled() -> None:
    for identity in (None, 7, "", "../files", ".", "r" * 600, "resp 1"):
        assert pending_id({"status": "queued", "id": identity}) is None
    assert pending_id({"status": "completed", "id": "resp_1"}) is None
    assert pending_id({"status": "in_progress", "id": "resp_bGl0+/x="}) == "resp_bGl0+/x="


@pytest.mark.parametrize(
    ("model", "options", "long"),
    [
        ("gpt-5", {}, False),
        ("gpt-5-pro", {}, True),
        ("o3-deep-research-2025-06-26", {}, True),
        ("prose", {}, False),
        ("gpt-5", {"reasoning": "high"}, True),
        ("gpt-5", {"reasoning": "medium"}, False),
        ("gpt-5", {"max_output_tokens": 999}, False),
        ("gpt-5", {"max_output_tokens": 1000}, True),
    ],
)
def test_long_calls(model: str, options: dict[str, Any], long: bool) -> None:
    prompt = Prompt(messages=PROMPT.messages, **options)
    assert BackgroundPolicy(1000).is_long(model, prompt) is long
    assert BackgroundPolicy(0).is_long(model, prompt)


@pytest.mark.parametrize(
    ("name", "settings", "runs"),
    [
        ("openai:gpt-5-pro", {}, False),
        ("openai:gpt-5-pro", {"CARTEIRO_BACKGROUND": "true"}, True),
        ("openai:gpt-5?api=responses", {"CARTEIRO_BACKGROUND": "true"}, False),
        (
            "openai:gpt-5?api=responses",
            {"CARTEIRO_BACKGROUND": "true", "CARTEIRO_BACKGROUND_MIN_OUTPUT_TOKENS": "0"},
            True,
        ),
        ("openai:gpt-5", {"CARTEIRO_BACKGROUND": "true", "CARTEIRO_BACKGROUND_MIN_OUTPUT_TOKENS": "0"}, False),
        ("http://s/v1#gpt-5-pro?api=responses", {"CARTEIRO_BACKGROUND": "true"}, False),
        ("azure:gpt-5-pro", {"CARTEIRO_BACKGROUND": "true", "AZURE_OPENAI_ENDPOINT": "https://x.invalid"}, True),
    ],
)
async def test_setting_and_provider_decide(name: str, settings: dict[str, str], runs: bool) -> None:
    model = open_cloud_model(name, **{"OPENAI_API_KEY": KEY, "AZURE_OPENAI_API_KEY": KEY, **settings})
    assert runs_in_background(model, PROMPT) is runs
    await model.close()


@pytest.mark.parametrize("version", ["", "2025-04-01-preview"])
async def test_azure_is_asked_at_its_own_address(provider: Provider, version: str) -> None:
    settings = {"AZURE_OPENAI_ENDPOINT": provider.root, "CARTEIRO_BACKGROUND": "true", "OPENAI_API_VERSION": version}
    model = open_cloud_model("azure:gpt-5-pro", AZURE_OPENAI_API_KEY=KEY, **settings)
    provider.background.looks = 1
    begun = provider.background.create({"model": "gpt-5-pro", "input": [{"role": "user", "content": "one"}]})
    assert (await model.complete_in_background(PROMPT, KeptCall(provider, begun["id"]))).text == "one"
    await model.cancel_answer(begun["id"])
    await model.close()
    path, query = ("/openai", {"api-version": version}) if version else ("/openai/v1", {})
    looked, cancelled = provider.background.requests
    assert (looked.path, looked.query) == (f"{path}/responses/{begun['id']}", query)
    assert (cancelled.path, cancelled.query) == (f"{path}/responses/{begun['id']}/cancel", query)
    assert looked.headers["api-key"] == KEY


async def test_openai_sdk_reads_the_provider_of_these_tests(provider: Provider) -> None:
    provider.background.hold()
    async with AsyncOpenAI(base_url=provider.url, api_key=KEY, max_retries=0) as client:
        begun = await client.responses.create(
            model="echo", input=[{"role": "user", "content": "one"}], background=True, store=True
        )
        polled = await client.responses.retrieve(begun.id)
        cancelled = await client.responses.cancel(begun.id)
        with pytest.raises(NotFoundError):
            await client.responses.retrieve("resp_other")
    assert [begun.status, polled.status, cancelled.status] == ["queued", "in_progress", "cancelled"]
