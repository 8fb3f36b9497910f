"""Credentials of AWS from each of their sources, and calls of Bedrock that they sign."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from botocore.utils import ContainerMetadataFetcher

from carteiro.models.cloud.client import CloudModel
from carteiro.models.errors import Misconfigured, ModelUnusable, Unavailable
from carteiro.models.prompt import Message, Prompt
from tests.provider.aws import REGION, Aws
from tests.unit.models.cloud.cloud_models import PROMPT, expect_failure, open_cloud_model

SOURCES = {"environment": "STATIC", "profile": "STATIC", "web-identity": "KEY1", "container": "KEY2", "machine": "KEY2"}
"""Sources of credentials, with the key that the first call has. botocore finds those of a container or a machine only
by fetching them, which the check at the start does, too."""


@pytest.fixture
async def aws() -> AsyncIterator[Aws]:
    async with Aws() as aws:
        yield aws


def set_source(source: str, aws: Aws, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables that AWS documents for this source of credentials, and no other source."""
    credentials, identity = folder / "credentials", folder / "identity"
    credentials.write_text("[theirs]\naws_access_key_id = STATIC\naws_secret_access_key = static-secret/+\n")
    identity.write_text("identity-of-the-pod")
    variables = {
        "environment": {"AWS_ACCESS_KEY_ID": "STATIC", "AWS_SECRET_ACCESS_KEY": "static-secret/+"},
        "profile": {"AWS_PROFILE": "theirs"},
        "web-identity": {
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(identity),
            "AWS_ROLE_ARN": "arn:aws:iam::1:role/carteiro",
            "AWS_ENDPOINT_URL_STS": f"{aws.url}/sts",
        },
        "container": {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{aws.url}/container",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "pod-token",
        },
        "machine": {
            "AWS_EC2_METADATA_DISABLED": "false",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{aws.url}/machine/",
        },
        "none": {},
        "partial": {"AWS_ACCESS_KEY_ID": "STATIC"},
        "unknown-profile": {"AWS_PROFILE": "nobodys"},
    }[source]
    common = {
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "AWS_CONFIG_FILE": str(folder / "config"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "1",
    }
    monkeypatch.setattr(ContainerMetadataFetcher, "SLEEP_TIME", 0)
    for name, value in (common | variables).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def model(
    request: pytest.FixtureRequest, aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[CloudModel]:
    """Open a model with the credentials of the source that the test names, by default those of a container."""
    set_source(getattr(request, "param", "container"), aws, tmp_path, monkeypatch)
    model = open_cloud_model("bedrock:openai.m", AWS_REGION=REGION, AWS_ENDPOINT_URL_BEDROCK_RUNTIME=aws.url)
    yield model
    await model.close()


@pytest.mark.parametrize(("model", "key"), SOURCES.items(), indirect=["model"], ids=SOURCES)
async def test_call_is_signed_with_the_credentials_of_each_source(model: CloudModel, key: str, aws: Aws) -> None:
    await model.load()
    done = await model.complete(Prompt(messages=[Message("user", 'ação "x" \u2028 \x7f 東京 </')], stop=["\n"]))
    assert (aws.signers, done.finish_reason) == ([key], "stop")
    assert aws.bodies[0]["messages"][0]["content"] == 'ação "x" \u2028 \x7f 東京 </'


@pytest.mark.parametrize(("model", "key"), SOURCES.items(), indirect=["model"], ids=SOURCES)
async def test_call_that_is_streamed_is_signed_too(model: CloudModel, key: str, aws: Aws) -> None:
    await model.load()
    shown: list[str] = []
    done = await model.stream(Prompt(messages=[Message("user", "ação um dois três")]), shown.append)
    assert (aws.signers, done.finish_reason, aws.bodies[0]["stream"]) == ([key], "stop", True)
    assert "".join(shown) == done.text == "ação um dois três"
    assert len(shown) > 1
    assert done.usage.output_tokens > 0


async def test_credentials_that_a_stream_has_rejected_are_replaced_once(model: CloudModel, aws: Aws) -> None:
    await model.stream(PROMPT, lambda _: None)
    aws.revoked = {"KEY1"}
    await model.stream(PROMPT, lambda _: None)
    assert aws.signers == ["KEY1", "KEY2"]


@pytest.mark.parametrize("model", ["none", "partial", "unknown-profile"], indirect=True)
async def test_worker_without_credentials_says_so_at_the_start(model: CloudModel) -> None:
    with pytest.raises(ModelUnusable, match="no credentials of AWS: set AWS_BEARER_TOKEN_BEDROCK, AWS_ACCESS_KEY_ID"):
        await model.load()
    raised = await expect_failure(model)
    assert type(raised) is Misconfigured
    assert raised.message == "AWS gives out no credentials: check AWS_ACCESS_KEY_ID or the role"


async def test_credentials_are_fetched_once_for_many_calls(model: CloudModel, aws: Aws) -> None:
    await asyncio.gather(*(model.complete(PROMPT) for _ in range(8)))
    assert aws.signers == ["KEY1"] * 8


@pytest.mark.parametrize(("lifetime", "keys"), [(300, 1), (200, 2)])
async def test_credentials_are_replaced_before_they_expire(
    model: CloudModel, aws: Aws, lifetime: float, keys: int
) -> None:
    aws.lifetime = lifetime
    await model.complete(PROMPT)
    await model.complete(PROMPT)
    assert (len(aws.signers), len(set(aws.signers))) == (2, keys)


async def test_rejected_credentials_are_replaced_once(model: CloudModel, aws: Aws) -> None:
    await model.complete(PROMPT)
    aws.revoked = {"KEY1"}
    await model.complete(PROMPT)
    assert aws.signers == ["KEY1", "KEY2"]
    aws.revoked = {"KEY2", "KEY3"}
    raised = await expect_failure(model)
    assert type(raised) is Misconfigured
    assert raised.message == "bedrock:openai.m does not accept the credential: check AWS_ACCESS_KEY_ID or the role"
    assert aws.issued == 3


@pytest.mark.parametrize("change", ["secret", "revoked"])
@pytest.mark.parametrize("model", ["environment"], indirect=True)
async def test_rejected_credentials_without_a_successor_are_a_configuration_error(
    model: CloudModel, aws: Aws, change: str
) -> None:
    if change == "revoked":
        aws.revoked = {"STATIC"}
    else:
        aws.keys["STATIC"] = ("another", None)
    assert type(await expect_failure(model)) is Misconfigured


async def test_old_credentials_are_used_while_their_service_is_down(model: CloudModel, aws: Aws) -> None:
    aws.lifetime = 100
    await model.complete(PROMPT)
    aws.error_status = 500
    await model.complete(PROMPT)
    assert (len(aws.signers), len(set(aws.signers))) == (2, 1)


@pytest.mark.parametrize(
    ("model", "status", "failure"),
    [
        ("container", 500, Unavailable),
        ("web-identity", 500, Unavailable),
        ("web-identity", 403, Misconfigured),
    ],
    indirect=["model"],
)
async def test_failing_service_keeps_no_worker_from_starting(
    model: CloudModel, status: int, failure: type[Exception], aws: Aws
) -> None:
    aws.error_status = status
    await model.load()
    assert type(await expect_failure(model)) is failure
