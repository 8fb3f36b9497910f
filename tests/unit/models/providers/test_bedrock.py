"""Endpoints of models at Amazon Bedrock."""

import sys

import pytest

from carteiro.models.errors import ModelUnusable
from carteiro.models.prompt import Message, Prompt
from carteiro.models.providers.bedrock import endpoint
from carteiro.models.settings import ModelSettings
from tests.provider import Provider
from tests.unit.models.cloud.cloud_models import open_cloud_model

MODEL = "openai.gpt-oss-120b-1:0"
KEY = "AWS_BEARER_TOKEN_BEDROCK"
ADDRESS = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (KEY, f"{KEY}_FILE", ADDRESS, "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variable", "value", "url"),
    [
        ("AWS_REGION", "eu-west-1", "https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1"),
        (ADDRESS, "https://vpce-1.vpce.amazonaws.com/", "https://vpce-1.vpce.amazonaws.com/openai/v1"),
        (ADDRESS, "https://vpce-1.vpce.amazonaws.com/openai/v1", "https://vpce-1.vpce.amazonaws.com/openai/v1"),
    ],
)
def test_address_follows_from_the_region_or_is_given(variable: str, value: str, url: str) -> None:
    assert endpoint(f"bedrock:{MODEL}", MODEL, None, ModelSettings(**{KEY: "k", variable: value})).url == url


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "bedrock:m needs a region: set AWS_REGION, such as us-west-2"),
        ({ADDRESS: "https://vpce-1.vpce.amazonaws.com"}, "bedrock:m needs a region"),
        ({KEY: "k"}, "bedrock:m needs a region: set AWS_REGION, such as us-west-2"),
        ({KEY: "k", "AWS_REGION": "evil.example/x"}, "bedrock:m needs a region"),
    ],
)
def test_missing_setting_is_named(settings: dict[str, str], words: str) -> None:
    with pytest.raises(ModelUnusable, match=words):
        endpoint("bedrock:m", "m", None, ModelSettings(**settings))


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "carteiro.models.cloud.aws_credentials", None)
    with pytest.raises(ModelUnusable, match=r"bedrock:m needs AWS_BEARER_TOKEN_BEDROCK .* 'carteiro\[bedrock\]'"):
        endpoint("bedrock:m", "m", None, ModelSettings(AWS_REGION="eu-west-1"))


def test_key_is_used_before_other_credentials() -> None:
    assert endpoint("bedrock:m", "m", None, ModelSettings(**{KEY: "k", "AWS_REGION": "eu-west-1"})).sign is None
    signed = endpoint("bedrock:m", "m", None, ModelSettings(AWS_REGION="eu-west-1"))
    assert (signed.sign is not None, signed.credential.variable) == (True, "AWS_ACCESS_KEY_ID or the role")


async def test_model_is_asked_with_the_key_of_bedrock(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    model = open_cloud_model(f"bedrock:{MODEL}", **{KEY: "bedrock-1", ADDRESS: provider.root})
    done = await model.complete(Prompt(messages=[Message("user", "one two three")], max_output_tokens=400))
    await model.close()
    (request,) = provider.requests
    assert (request.path, request.headers["Authorization"]) == ("/openai/v1/chat/completions", "Bearer bedrock-1")
    assert (request.body["model"], request.body["max_completion_tokens"]) == (MODEL, 400)
    assert done.text
