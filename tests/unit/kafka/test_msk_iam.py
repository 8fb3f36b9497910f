"""Tokens for Amazon MSK: their signature, and all sources of credentials that a pod may have."""

import base64
import json
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from aiokafka.errors import KafkaConnectionError

from carteiro.kafka.msk_iam import AwsCredentials, MskTokenProvider, find_region, sign_token
from carteiro.kafka.security import connection_options
from carteiro.settings.environment import SettingsInvalid
from carteiro.settings.kafka import KafkaSettings
from tests.local_server import LocalServer

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
MSK = "b-1.ours.abc123.c2.kafka.eu-west-1.amazonaws.com:9098"


def url_of(token: str) -> str:
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()


def query_parameters(token: str) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(urlsplit(url_of(token)).query).items()}


@pytest.mark.parametrize(
    ("session", "signature"),
    [
        (None, "13a86c4fcb1a06e9c7181807409ac2d8277a55a75725741b03fef0192ca8afb8"),
        ("a/session+token==", "7919cec551e21ae43297089d1df26654a10ad57d7737cc08fafc0056b536b6cd"),
    ],
)
def test_token_has_the_same_signature_as_by_botocore(session, signature):
    """The expected signatures are by SigV4QueryAuth of botocore 1.x, for the same key and time."""
    token = sign_token(AwsCredentials("AKIDEXAMPLE", SECRET, session), "eu-west-1", NOON)
    assert "=" not in token
    assert query_parameters(token) == {
        "Action": "kafka-cluster:Connect",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": "AKIDEXAMPLE/20261129/eu-west-1/kafka-cluster/aws4_request",
        "X-Amz-Date": "20261129T120000Z",
        "X-Amz-Expires": "900",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Signature": signature,
        "User-Agent": "carteiro",
    } | ({"X-Amz-Security-Token": session} if session else {})
    assert url_of(token).startswith("https://kafka.eu-west-1.amazonaws.com/?")


@pytest.mark.parametrize(
    ("servers", "environment", "region"),
    [
        (MSK, {"AWS_REGION": "us-east-1"}, "eu-west-1"),
        ("boot-x.c3.kafka-serverless.us-west-2.amazonaws.com:9098", {}, "us-west-2"),
        ("kafka.example.com:9098", {"AWS_REGION": "us-east-1"}, "us-east-1"),
        ("kafka.example.com:9098", {"AWS_DEFAULT_REGION": "sa-east-1"}, "sa-east-1"),
        ("kafka.example.com:9098", {}, None),
    ],
)
def test_region_is_read_from_the_broker_names_before_the_environment(servers, environment, region):
    assert find_region(servers, environment) == region


class FakeAws(LocalServer):
    """The token service of AWS and the endpoint of a pod's credentials."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str | None, dict[str, str]]] = []
        self.status, self.body = 200, b""

    def routes(self) -> list[web.RouteDef]:
        return [web.route("*", "/{path:.*}", self._answer)]

    async def _answer(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.requests.append((request.method, request.headers.get("Authorization"), form))
        return web.Response(status=self.status, body=self.body, content_type="application/json")


@pytest.fixture
async def aws():
    async with FakeAws() as aws:
        yield aws


async def test_service_account_role_gives_credentials(aws, tmp_path):
    (tmp_path / "token").write_text("the.pods.token")
    found = {"AccessKeyId": "ASIA1", "SecretAccessKey": SECRET, "SessionToken": "session"}
    answer = {"AssumeRoleWithWebIdentityResponse": {"AssumeRoleWithWebIdentityResult": {"Credentials": found}}}
    aws.body = json.dumps(answer).encode()
    environment = {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
        "AWS_ROLE_ARN": "arn:aws:iam::1:role/carteiro",
        "AWS_ENDPOINT_URL_STS": aws.url,
    }
    tokens = MskTokenProvider("eu-west-1", environment, lambda: NOON)
    assert query_parameters(await tokens.token())["X-Amz-Security-Token"] == "session"
    assert await tokens.token() == await tokens.token()
    ((method, _, form),) = aws.requests
    assert method == "POST"
    assert form["RoleArn"] == "arn:aws:iam::1:role/carteiro"
    assert form["WebIdentityToken"] == "the.pods.token"


async def test_pod_identity_gives_credentials(aws, tmp_path):
    (tmp_path / "token").write_text("the.pods.token\n")
    aws.body = json.dumps({"AccessKeyId": "ASIA2", "SecretAccessKey": SECRET, "Token": "session"}).encode()
    environment = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{aws.url}/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
    }
    token = await MskTokenProvider("eu-west-1", environment, lambda: NOON).token()
    assert query_parameters(token)["X-Amz-Credential"].startswith("ASIA2/")
    assert aws.requests == [("GET", "the.pods.token", {})]


@pytest.mark.parametrize(
    ("status", "body"),
    [(403, b"{}"), (200, b"<xml/>"), (200, b"[]"), (200, b"null"), (200, b"{}"), (200, b" " * 100_000)],
)
async def test_missing_credentials_are_a_connection_error_without_the_secret(aws, status, body):
    aws.status, aws.body = status, body
    environment = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "hunter2"}
    with pytest.raises(KafkaConnectionError, match="no credentials from AWS") as caught:
        await MskTokenProvider("eu-west-1", environment).token()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("environment", [{}, {"AWS_ACCESS_KEY_ID": "a"}, {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"}])
async def test_environment_without_credentials_is_a_connection_error(environment):
    with pytest.raises(KafkaConnectionError, match="no credentials from AWS"):
        await MskTokenProvider("eu-west-1", environment).token()


async def test_aws_msk_iam_sends_the_token_by_oauthbearer():
    settings = KafkaSettings(bootstrap_servers=MSK, security_protocol="SASL_SSL", sasl_mechanism="AWS_MSK_IAM")
    options = connection_options(settings)
    assert options["sasl_mechanism"] == "OAUTHBEARER"
    assert isinstance(options["sasl_oauth_token_provider"], MskTokenProvider)


@pytest.mark.parametrize(
    ("more", "message"),
    [({"security_protocol": "SASL_PLAINTEXT"}, "SASL_SSL"), ({"bootstrap_servers": "kafka:9098"}, "AWS_REGION")],
)
def test_error_names_the_missing_setting(more, message, monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    settings = {"bootstrap_servers": MSK, "security_protocol": "SASL_SSL", "sasl_mechanism": "AWS_MSK_IAM"} | more
    with pytest.raises(SettingsInvalid, match=message):
        connection_options(KafkaSettings(**settings))
