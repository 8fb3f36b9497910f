"""Requests to the Completions API, and completions from its answers."""

import pytest

from carteiro.models.cloud import completions
from carteiro.models.errors import (
    ContentFiltered,
    Unavailable,
)
from carteiro.models.prompt import Message, Prompt
from carteiro.models.results import Completion
from carteiro.schemas import Usage
from tests.provider import Provider
from tests.provider import completions as provider
from tests.unit.models.cloud.cloud_models import PROMPT, open_cloud_model

REQUEST = {"model": "m", "input": [], "prompt": ""}


def test_completion_of_the_completions_api() -> None:
    answer = provider.text_completion(REQUEST, "\n\nLisbon. ", "length", 5, 2)
    done = completions.completion(answer, PROMPT, "m")
    assert done == Completion("Lisbon.", "length", Usage(input_tokens=5, output_tokens=2))
    for reason, kind in (("content_filter", ContentFiltered), ("error", Unavailable)):
        with pytest.raises(kind):
            completions.completion(provider.text_completion(REQUEST, "x", reason), PROMPT, "m")


async def test_conversation_is_one_text_in_the_completions_api(provider: Provider) -> None:
    model = open_cloud_model("openai:babbage-002", OPENAI_API_KEY="k", OPENAI_BASE_URL=provider.url)
    conversation = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello."), ("user", "?")]
    turns = [Message(role, content) for role, content in conversation]
    await model.complete(Prompt(messages=turns))
    await model.complete(Prompt(messages=turns, stop=["1", "2", "3", "4"]))
    await model.close()

    first, second = (request.body for request in provider.requests)
    assert first["prompt"] == "Be brief.\n\nUser: Hi\nAssistant: Hello.\nUser: ?\nAssistant:"
    assert first["stop"] == ["\nUser:"]
    assert first["max_tokens"] == 512, "the API's own default is 16"
    assert second["stop"] == ["1", "2", "3", "4"], "more than four are refused"
