"""Amazon Bedrock: `bedrock:MODEL` with AWS_BEARER_TOKEN_BEDROCK, a key of Bedrock, in the region AWS_REGION.

It is the endpoint that speaks the OpenAI API (https://docs.aws.amazon.com/bedrock/latest/userguide/endpoints.html).
AWS_ENDPOINT_URL_BEDROCK_RUNTIME is another address, as for AWS's own SDKs. Other credentials of AWS, which sign each
request, are not used.
"""

import re

from carteiro.models.cloud.api import ApiName
from carteiro.models.cloud.api_keys import load_api_key
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.provider import cloud_provider
from carteiro.models.cloud.provider_options import OPENAI_TIERS
from carteiro.models.errors import ModelUnusable
from carteiro.models.settings import ModelSettings

_PATH = "/openai/v1"
_REGION = re.compile(r"[a-z0-9-]+")


def endpoint(name: str, model: str, api: ApiName | None, settings: ModelSettings) -> Endpoint:
    """Return the endpoint of `model`. `name` is the model's name in messages.

    Raise `ModelUnusable` if the key is missing, or both the region and the other address.
    """
    key = load_api_key(
        "AWS_BEARER_TOKEN_BEDROCK", settings.aws_bearer_token_bedrock, settings.aws_bearer_token_bedrock_file
    )
    if key is None:
        raise ModelUnusable(f"{name} needs a key of Bedrock: set AWS_BEARER_TOKEN_BEDROCK or its file, ..._FILE")
    root = settings.bedrock_endpoint
    if not root:
        if not _REGION.fullmatch(settings.aws_region or ""):
            raise ModelUnusable(f"{name} needs a region: set AWS_REGION, such as us-west-2")
        root = f"https://bedrock-runtime.{settings.aws_region}.amazonaws.com"
    return Endpoint(
        model=model,
        url=f"{root.rstrip('/').removesuffix(_PATH)}{_PATH}",
        api=api or "chat",
        credential=key,
        not_found_hint="the model's name and AWS_REGION",
        completion_limit="max_completion_tokens",
        tiers=OPENAI_TIERS,
    )


PROVIDER = cloud_provider(
    scheme="bedrock", form="bedrock:MODEL", endpoint=endpoint, telemetry_name="aws.bedrock", embeds=False
)
