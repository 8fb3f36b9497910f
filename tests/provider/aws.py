"""Amazon Bedrock, which checks each signature, and the services that give out credentials of AWS."""

import asyncio
import json
import re
import time
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.local_server import LocalServer
from tests.provider.completions import complete
from tests.provider.streams import stream

REGION = "eu-west-1"
_AUTHORIZATION = re.compile(
    rf"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{{8}})/{REGION}/bedrock/aws4_request, SignedHeaders=([\w;-]+), "
    r"Signature=([0-9a-f]{64})"
)
_MAX_SKEW_SECONDS = 300
_EXPIRED = "The security token included in the request is expired"
_INVALID = "The security token included in the request is invalid."
_MISMATCH = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."  # noqa: E501


class Aws(LocalServer):
    """`async with Aws() as aws`: credentials are issued as `KEY1`, `KEY2` and so on, each valid for `lifetime` seconds
    unless it is in `revoked`. If `error_status` is set, no credentials are given out, with this status.

    Errors have the form of https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html.
    """

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, str | None]] = {"STATIC": ("static-secret/+", None)}
        """Secret key and session token by the access key's id."""
        self.revoked: set[str] = set()
        self.lifetime = 3600.0
        self.error_status: int | None = None
        self.issued = 0
        self.signers: list[str] = []
        """The access key's id of each call that was answered."""
        self.bodies: list[dict[str, Any]] = []

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/openai/v1/chat/completions", self._complete),
            web.get("/container", self._container),
            web.post("/sts", self._web_identity),
            web.put("/machine/latest/api/token", self._session),
            web.get("/machine/latest/meta-data/iam/security-credentials/{role:.*}", self._machine),
        ]

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()
        if message := self._refusal(request, content):
            return web.json_response({"message": message}, status=403)
        body = json.loads(content)
        self.bodies.append(body)
        return await stream(request, body) if body.get("stream") else web.json_response(complete(body))

    def _refusal(self, request: web.Request, content: bytes) -> str | None:
        """Return the error for a request whose signature is not the one that botocore computes for these bytes."""
        found = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
        date = request.headers.get("X-Amz-Date", "")
        if not found or not date.startswith(found[2]):
            return _MISMATCH
        key_id, names = found[1], found[3].split(";")
        if key_id in self.revoked:
            return _EXPIRED
        secret, token = self.keys.get(key_id, (None, None))
        if secret is None or request.headers.get("X-Amz-Security-Token") != token:
            return _INVALID
        signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        if abs(time.time() - signed_at) > _MAX_SKEW_SECONDS:
            return f"Signature expired: {date} is now earlier than now"
        wanted = {"host", "x-amz-date", "content-type"} | ({"x-amz-security-token"} if token else set())
        if not wanted <= set(names):
            return _MISMATCH
        headers = {name: request.headers[name] for name in names}
        repeated = AWSRequest(request.method, str(request.url), headers, content)
        repeated.context["timestamp"] = date
        signer = SigV4Auth(Credentials(key_id, secret, token), "bedrock", REGION)
        to_sign = signer.string_to_sign(repeated, signer.canonical_request(repeated))
        if signer.signature(to_sign, repeated) != found[4]:
            return _MISMATCH
        self.signers.append(key_id)
        return None

    async def _issue(self) -> dict[str, str]:
        self.issued += 1
        await asyncio.sleep(0)
        number = self.issued
        self.keys[f"KEY{number}"] = (f"secret-{number}", f"token-{number}/+=")
        ends = datetime.fromtimestamp(time.time() + self.lifetime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        secret, token = self.keys[f"KEY{number}"]
        return {
            "Code": "Success",
            "AccessKeyId": f"KEY{number}",
            "SecretAccessKey": secret,
            "Token": str(token),
            "Expiration": ends,
            "LastUpdated": ends,
        }

    async def _container(self, request: web.Request) -> web.Response:
        """`AWS_CONTAINER_CREDENTIALS_FULL_URI` (https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html)."""
        assert request.headers["Authorization"] == "pod-token"
        if self.error_status:
            return web.json_response({"message": "no"}, status=self.error_status)
        return web.json_response(await self._issue())

    async def _web_identity(self, request: web.Request) -> web.Response:
        """`AssumeRoleWithWebIdentity` (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html)."""
        form = await request.post()
        assert form["WebIdentityToken"] == "identity-of-the-pod"
        assert form["RoleArn"] == "arn:aws:iam::1:role/carteiro"
        space = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'
        if self.error_status:
            error = "<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error>"
            body = f"<ErrorResponse {space}>{error}<RequestId>1</RequestId></ErrorResponse>"
            return web.Response(text=body, status=self.error_status, content_type="text/xml")
        issued = await self._issue()
        fields = {
            "AccessKeyId": issued["AccessKeyId"],
            "SecretAccessKey": issued["SecretAccessKey"],
            "SessionToken": issued["Token"],
            "Expiration": issued["Expiration"],
        }
        inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
        name = "AssumeRoleWithWebIdentity"
        body = (
            f"<{name}Response {space}><{name}Result><Credentials>{inner}</Credentials></{name}Result></{name}Response>"
        )
        return web.Response(text=body, content_type="text/xml")

    async def _session(self, request: web.Request) -> web.Response:
        """A session of IMDSv2 (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html)."""
        assert request.headers["x-aws-ec2-metadata-token-ttl-seconds"]
        return web.Response(text="session")

    async def _machine(self, request: web.Request) -> web.Response:
        assert request.headers["x-aws-ec2-metadata-token"] == "session"
        return web.json_response(await self._issue()) if request.match_info["role"] else web.Response(text="carteiro")
