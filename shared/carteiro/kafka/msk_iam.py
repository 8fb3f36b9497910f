"""Tokens for Amazon MSK with IAM: a signed request for `kafka-cluster:Connect`, sent by SASL/OAUTHBEARER.

The token is a presigned URL (AWS Signature Version 4, query parameters) in base64url without padding, the same as by
AWS's own signers for MSK. The credentials are read from AWS's own variables, in this order: a key
(`AWS_ACCESS_KEY_ID`), the role of an EKS service account (`AWS_WEB_IDENTITY_TOKEN_FILE`), and EKS Pod Identity or ECS
(`AWS_CONTAINER_CREDENTIALS_FULL_URI`, `..._RELATIVE_URI`).
"""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

_TOKEN_SECONDS = 900
_REFRESH_SECONDS = 0.8 * _TOKEN_SECONDS
_FETCH_SECONDS = 10.0
_MAX_BYTES = 65_536
_HOST = re.compile(r"\.kafka(?:-serverless)?\.([a-z0-9-]+)\.amazonaws\.com")


@dataclass(frozen=True, slots=True)
class AwsCredentials:
    """An access key, with a session token if it is temporary."""

    key_id: str
    secret: str
    session: str | None = None


class MskTokenProvider(AbstractTokenProvider):  # type: ignore[misc]
    """Signs one token for all connections, and a new token before it expires (after 900 s)."""

    def __init__(
        self,
        region: str,
        environment: Mapping[str, str],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._region, self._environment, self._now = region, environment, now
        self._token, self._refresh_at = "", 0.0
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        """Return a valid token. Raise `KafkaConnectionError` if AWS gives no credentials, so that the worker waits."""
        async with self._lock:
            if time.monotonic() >= self._refresh_at:
                try:
                    credentials = await find_credentials(self._environment, self._region)
                except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError) as error:
                    raise KafkaConnectionError(f"no credentials from AWS: {type(error).__name__}") from None
                self._token = sign_token(credentials, self._region, self._now())
                self._refresh_at = time.monotonic() + _REFRESH_SECONDS
        return self._token


def find_region(servers: str, environment: Mapping[str, str]) -> str | None:
    """Return the AWS region in the names of the brokers, else `AWS_REGION` or `AWS_DEFAULT_REGION`, else None."""
    if named := _HOST.search(servers):
        return named[1]
    return environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or None


async def find_credentials(environment: Mapping[str, str], region: str) -> AwsCredentials:
    """Return the credentials that the variables in `environment` describe.

    Raise `ValueError` or `KeyError` if there are no credentials, or aiohttp's `ClientError`, `OSError` or
    `TimeoutError` if fetching them fails.
    """
    if key_id := environment.get("AWS_ACCESS_KEY_ID"):
        return AwsCredentials(key_id, environment["AWS_SECRET_ACCESS_KEY"], environment.get("AWS_SESSION_TOKEN"))
    if file := environment.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": environment["AWS_ROLE_ARN"],
            "RoleSessionName": environment.get("AWS_ROLE_SESSION_NAME") or "carteiro",
            "WebIdentityToken": await asyncio.to_thread(Path(file).read_text),
        }
        url = environment.get("AWS_ENDPOINT_URL_STS") or f"https://sts.{region}.amazonaws.com"
        answer = await _json("POST", url, {"Accept": "application/json"}, form)
        found = answer["AssumeRoleWithWebIdentityResponse"]["AssumeRoleWithWebIdentityResult"]["Credentials"]
        return AwsCredentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
    endpoint = environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if relative := environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        endpoint = f"http://169.254.170.2{relative}"
    if not endpoint:
        raise ValueError("no AWS_ACCESS_KEY_ID, AWS_WEB_IDENTITY_TOKEN_FILE or AWS_CONTAINER_CREDENTIALS_FULL_URI")
    token = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
    if file := environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
        token = (await asyncio.to_thread(Path(file).read_text)).strip()
    found = await _json("GET", endpoint, {"Authorization": token} if token else {})
    return AwsCredentials(found["AccessKeyId"], found["SecretAccessKey"], found.get("Token"))


async def _json(method: str, url: str, headers: dict[str, str], form: dict[str, str] | None = None) -> Any:
    timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.request(method, url, headers=headers, data=form, allow_redirects=False) as response,
    ):
        if response.status != 200:
            raise ValueError(f"HTTP status {response.status}")
        body = await response.content.read(_MAX_BYTES + 1)
        while len(body) <= _MAX_BYTES and (more := await response.content.read(_MAX_BYTES)):
            body += more
        if len(body) > _MAX_BYTES:
            raise ValueError("too long")
        return json.loads(body)


def sign_token(credentials: AwsCredentials, region: str, now: datetime) -> str:
    """Return a token that is signed with the credentials and valid for 900 seconds from `now`.

    The signature is AWS Signature Version 4 with query parameters.
    """
    host, stamp = f"kafka.{region}.amazonaws.com", now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/kafka-cluster/aws4_request"
    query = {
        "Action": "kafka-cluster:Connect",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{credentials.key_id}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(_TOKEN_SECONDS),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.session:
        query["X-Amz-Security-Token"] = credentials.session
    query_string = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in sorted(query.items()))
    request = f"GET\n/\n{query_string}\nhost:{host}\n\nhost\n{hashlib.sha256(b'').hexdigest()}"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = b"AWS4" + credentials.secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    url = f"https://{host}/?{query_string}&X-Amz-Signature={signature}&User-Agent=carteiro"
    return base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
