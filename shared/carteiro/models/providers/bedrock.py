"""Amazon Bedrock: `bedrock:MODEL` in the region AWS_REGION.

With AWS_BEARER_TOKEN_BEDROCK, a key of Bedrock, calls carry the key. Without it they are signed with the credentials of
AWS that botocore finds. It is the endpoint that speaks the OpenAI API
(https://docs.aws.amazon.com/bedrock/latest/userguide/endpoints.html). AWS_ENDPOINT_URL_BEDROCK_RUNTIME is another
address, as for AWS's own SDKs.
"""

import re
from functools import partial

from carteiro.models.cloud.access_tokens import TokenCredential
from carteiro.models.cloud.api import ApiName
from carteiro.models.cloud.api_keys import load_api_key
from carteiro.models.cloud.endpoint import Credential, Endpoint, Signer
from carteiro.models.cloud.provider import cloud_provider
from carteiro.models.cloud.provider_options import OPENAI_TIERS
from carteiro.models.errors import ModelUnusable
from carteiro.models.settings import ModelSettings

_PATH = "/openai/v1"
_REGION = re.compile(r"[a-z0-9-]+")


def endpoint(name: str, model: str, api: ApiName | None, settings: ModelSettings) -> Endpoint:
    """Return the endpoint of `model`. `name` is the model's name in messages.

    Raise `ModelUnusable` if botocore is not installed and the key is missing, or if the region is missing; a key needs
    no region if there is another address.
    """
    credential: Credential | None
    sign: Signer | None = None
    credential = load_api_key(
        "AWS_BEARER_TOKEN_BEDROCK", settings.aws_bearer_token_bedrock, settings.aws_bearer_token_bedrock_file
    )
    root, region = settings.bedrock_endpoint, settings.aws_region or ""
    if not (root and credential) and not _REGION.fullmatch(region):
        raise ModelUnusable(f"{name} needs a region: set AWS_REGION, such as us-west-2")
    if credential is None:
        try:
            # The module needs an extra.
            from carteiro.models.cloud.aws_credentials import AwsTokenSource, sign_request
        except ModuleNotFoundError:
            raise ModelUnusable(
                f"{name} needs AWS_BEARER_TOKEN_BEDROCK or its file, ..._FILE; or, for other credentials of AWS, "
                "pip install 'carteiro[bedrock]'"
            ) from None
        credential = TokenCredential(AwsTokenSource(region))
        sign = partial(sign_request, region=region, service="bedrock")
    root = root or f"https://bedrock-runtime.{region}.amazonaws.com"
    return Endpoint(
        model=model,
        url=f"{root.rstrip('/').removesuffix(_PATH)}{_PATH}",
        api=api or "chat",
        credential=credential,
        sign=sign,
        not_found_hint="the model's name and AWS_REGION",
        completion_limit="max_completion_tokens",
        tiers=OPENAI_TIERS,
    )


PROVIDER = cloud_provider(
    scheme="bedrock", form="bedrock:MODEL", endpoint=endpoint, telemetry_name="aws.bedrock", embeds=False
)
