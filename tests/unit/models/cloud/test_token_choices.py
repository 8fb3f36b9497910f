"""The tokens of a completion and their alternatives; servers that refuse to report them."""

import math
from typing import Any

import pytest

from carteiro.models.cloud.token_choices import read_token_choices
from carteiro.models.prompt import Message, Prompt
from carteiro.models.registry import open_model
from carteiro.models.results import TokenChoice
from carteiro.models.settings import ModelSettings
from tests.unit.models.cloud.strict_server import StrictServer, unknown

PROMPT = Prompt(messages=[Message("user", "Hi")], alternative_tokens=5)


def test_tokens_have_their_alternatives() -> None:
    content = [{"token": "a", "logprob": -0.1, "top_logprobs": [{"token": "a", "logprob": -0.1}]}, {"token": "b"}]
    assert read_token_choices({"logprobs": {"content": content}}) == [
        TokenChoice("a", {"a": -0.1}),
        TokenChoice("b", {}),
    ]


@pytest.mark.parametrize(
    "logprobs",
    [None, [], {}, {"content": None}, {"content": ["a"]}, {"content": [{"token": 1}]}, {"tokens": ["a"]}],
)
def test_other_forms_have_no_tokens(logprobs: Any) -> None:
    assert read_token_choices({"logprobs": logprobs}) == []


def test_wrong_alternatives_are_left_out() -> None:
    wrong = [{"token": "a", "logprob": None}, {"token": "b", "logprob": -math.inf}, {"logprob": -1}, 1]
    assert read_token_choices({"logprobs": {"content": [{"token": "a", "top_logprobs": wrong}]}}) == [
        TokenChoice("a", {})
    ]


def test_more_alternatives_than_the_api_gives_are_left_out() -> None:
    listed = [{"token": str(number), "logprob": -1} for number in range(100_000)]
    (token,) = read_token_choices({"logprobs": {"content": [{"token": "a", "top_logprobs": listed}]}})
    assert list(token.log_probabilities) == [str(number) for number in range(20)]


@pytest.mark.parametrize("field", ["logprobs", "top_logprobs"])
async def test_server_that_refuses_them_is_asked_without_from_then_on(field: str) -> None:
    async with StrictServer([unknown(field)], text="Hello.") as server:
        model: Any = open_model(f"{server.url}#house-model", ModelSettings())
        for _ in range(2):
            assert (await model.complete(PROMPT)).text == "Hello."
        await model.close()
    assert ["logprobs" in body for body in server.bodies] == [True, False, False]
    assert all("top_logprobs" not in body for body in server.bodies[1:])


async def test_reasoning_model_of_openai_is_not_asked() -> None:
    async with StrictServer([], text="Hello.") as server:
        model: Any = open_model(f"{server.url}#gpt-5-mini", ModelSettings())
        await model.complete(PROMPT)
        await model.close()
    assert "logprobs" not in server.bodies[0]
