"""Completions from the parts of an answer, in all three APIs."""

import pytest
from pydantic import ValidationError

from carteiro.models.cloud import chat_completions, completions, responses
from carteiro.models.errors import RateLimited, Unavailable
from carteiro.models.prompt import Prompt
from tests.provider import completions as provider
from tests.unit.models.cloud.cloud_models import PROMPT, expect_failure, open_cloud_model

REQUEST = {"model": "m", "input": [], "prompt": ""}


def test_missing_usage_is_estimated() -> None:
    for api, answer in (
        (responses, provider.response(REQUEST, [provider.message("Lisbon.")], usage=None)),
        (completions, provider.text_completion(REQUEST, "Lisbon.") | {"usage": None}),
    ):
        usage = api.completion(answer, PROMPT, "m").usage
        assert usage.input_tokens > 5
        assert usage.output_tokens > 1


@pytest.mark.parametrize("api", [chat_completions, responses, completions])
@pytest.mark.parametrize("answer", [None, [], {}, {"choices": []}, {"choices": "x", "output": "x", "status": 7}])
def test_body_without_an_answer_is_invalid(api, answer: object) -> None:
    with pytest.raises(ValidationError) as caught:
        api.completion(answer, PROMPT, "m")
    assert "input_value" not in str(caught.value), "it may be a completion"


@pytest.mark.parametrize("name", ["openai:o3-pro", "openai:davinci-002"])
async def test_call_of_each_api(name: str, provider) -> None:
    model = open_cloud_model(name, OPENAI_API_KEY="k", OPENAI_BASE_URL=provider.url)
    done = await model.complete(Prompt(messages=PROMPT.messages, max_output_tokens=2))
    assert done.text in ("one two", "Be brief.")
    assert done.finish_reason == "length"
    provider.next("hang", "429", "html")
    await_timeout = open_cloud_model(
        name, OPENAI_API_KEY="k", OPENAI_BASE_URL=provider.url, CARTEIRO_MODEL_TIMEOUT_SECONDS="0.2"
    )
    assert type(await expect_failure(await_timeout)) is Unavailable
    assert type(await expect_failure(model)) is RateLimited
    assert type(await expect_failure(model)) is Unavailable
    await model.close()
    await await_timeout.close()
