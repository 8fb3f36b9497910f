"""Credentials of AWS and the signatures that they make, through botocore.

botocore looks for credentials in the environment, a web identity (EKS), the shared files, the container (ECS, EKS Pod
Identity) and the machine, in the order of
https://boto3.amazonaws.com/v1/documentation/api/latest/guide/credentials.html.
"""

import asyncio
import math
from collections.abc import Mapping
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's name
    CredentialRetrievalError,
    HTTPClientError,
    MetadataRetrievalError,
)
from botocore.session import Session

from carteiro.models.cloud.access_tokens import AccessToken
from carteiro.models.errors import Misconfigured, ModelUnusable, Unavailable

_PASSING = (ConnectionError, CredentialRetrievalError, HTTPClientError, MetadataRetrievalError)


class AwsTokenSource:
    """The credentials that botocore finds. `region` is that of the token service, which a web identity needs.

    A token's value is the access key's id, the secret key and the session token, one in each line: `sign_request` reads
    it. Each token starts a new search: files and roles may have changed.
    """

    variable = "AWS_ACCESS_KEY_ID or the role"

    def __init__(self, region: str) -> None:
        self._region = region

    async def check(self) -> None:
        """Check that there are credentials. Raise `ModelUnusable` if there are none."""
        try:
            found = await asyncio.to_thread(self._find)
        except _PASSING:
            return  # The service that gives them out is there. The first call tries again.
        except (BotoCoreError, ClientError):
            found = None
        if found is None:
            raise ModelUnusable(
                "no credentials of AWS: set AWS_BEARER_TOKEN_BEDROCK, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "or AWS_PROFILE; or give the pod or the machine a role"
            )

    async def fetch(self) -> AccessToken:
        """Fetch credentials. Raise `Misconfigured` or `Unavailable` if AWS gives out none."""
        try:
            return await asyncio.to_thread(self._fetch)
        except _PASSING:
            raise Unavailable("The service with AWS's credentials cannot be reached, or failed") from None
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                raise Unavailable("AWS's token service failed") from None
        except BotoCoreError:
            pass
        raise Misconfigured(f"AWS gives out no credentials: check {self.variable}")

    async def close(self) -> None:
        """No-op: each search has connections of its own."""

    def _find(self) -> Any:
        session = Session()
        session.set_config_variable("region", self._region)
        return session.get_credentials()

    def _fetch(self) -> AccessToken:
        found = self._find()
        if found is None:
            raise BotoCoreError
        keys = found.get_frozen_credentials()
        # botocore tells the time of expiry in no other way. Credentials of the environment or a file have none.
        expiry = getattr(found, "_expiry_time", None)
        value = f"{keys.access_key}\n{keys.secret_key}\n{keys.token or ''}"
        return AccessToken(value, expiry.timestamp() if expiry else math.inf)


def sign_request(secret: str, url: str, content: bytes, *, region: str, service: str) -> Mapping[str, str]:
    """Return the headers of a POST of JSON that is signed with the value of a token of `AwsTokenSource`.

    It is Signature Version 4 (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html), valid for five
    minutes.
    """
    key_id, secret_key, token = secret.split("\n")
    request = AWSRequest("POST", url, {"Content-Type": "application/json"}, content)
    SigV4Auth(Credentials(key_id, secret_key, token or None), service, region).add_auth(request)
    return dict(request.headers.items())
