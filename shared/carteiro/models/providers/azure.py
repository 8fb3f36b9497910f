"""Azure OpenAI: `azure:DEPLOYMENT` at AZURE_OPENAI_ENDPOINT, with a key or a token of Entra ID.

There are two forms of address. Without OPENAI_API_VERSION it is the v1 API, `/openai/v1`, with the deployment in the
body (https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle). With a dated version the deployment is in
the path and the version in the query (`AzureOpenAI/inference/stable/2024-10-21/inference.json` in
Azure/azure-rest-api-specs). Responses is an exception: it never has the deployment in the path. Batches always use the
v1 API, which every resource has. They need a deployment of the type Global-Batch or Data Zone Batch, which answers no
live calls (https://learn.microsoft.com/azure/foundry/openai/how-to/batch).
"""

from urllib.parse import quote

from carteiro.models.cloud.access_tokens import AccessToken, TokenCredential
from carteiro.models.cloud.api import ApiName, default_api
from carteiro.models.cloud.api_keys import load_api_key
from carteiro.models.cloud.embedding_format import EmbeddingFormat
from carteiro.models.cloud.endpoint import BatchAddress, Endpoint
from carteiro.models.cloud.provider import cloud_provider
from carteiro.models.cloud.provider_options import OPENAI_TIERS
from carteiro.models.errors import Misconfigured, ModelUnusable, Unavailable
from carteiro.models.settings import ModelSettings

SCOPE = "https://cognitiveservices.azure.com/.default"
"""Scope of an access token (https://learn.microsoft.com/azure/ai-foundry/openai/how-to/managed-identity)."""
_V1_VERSIONS = ("v1", "preview")
_MAX_COMPLETION_TOKENS_SINCE = "2024-12"
"""First version with `max_completion_tokens`. 2024-10-21 knows only `max_tokens`; reasoning models, which require the
new name, need a later version (https://learn.microsoft.com/azure/ai-foundry/openai/how-to/reasoning)."""


def endpoint(name: str, deployment: str, api: ApiName | None, settings: ModelSettings) -> Endpoint:
    """Return the endpoint of `deployment`. `name` is the model's name in messages.

    Raise `ModelUnusable` if the address or every credential is missing.
    """
    if not settings.azure_openai_endpoint:
        raise ModelUnusable(
            f"{name} needs an address: set AZURE_OPENAI_ENDPOINT, such as https://NAME.openai.azure.com"
        )
    resource = settings.azure_openai_endpoint.rstrip("/").removesuffix("/v1").removesuffix("/openai")
    version = settings.openai_api_version
    api = api or default_api(deployment)
    dated = None if version in _V1_VERSIONS else version
    path = "/openai/v1"
    if dated:
        path = "/openai" if api == "responses" else f"/openai/deployments/{quote(deployment, safe='')}"
    key = load_api_key("AZURE_OPENAI_API_KEY", settings.azure_openai_api_key, settings.azure_openai_api_key_file)
    token = load_api_key("AZURE_OPENAI_AD_TOKEN", settings.azure_openai_ad_token, settings.azure_openai_ad_token_file)
    return Endpoint(
        model=deployment,
        url=f"{resource}{path}",
        api=api,
        credential=token or key or entra_credential(name),
        header="api-key" if key and not token else "Authorization",
        query={"api-version": version} if version else {},
        not_found_hint="the deployment's name, AZURE_OPENAI_ENDPOINT and OPENAI_API_VERSION",
        completion_limit="max_tokens" if dated and dated < _MAX_COMPLETION_TOKENS_SINCE else "max_completion_tokens",
        tiers=OPENAI_TIERS,
        takes_cache_key=True,
        background=True,
        batches=BatchAddress(
            url=f"{resource}/openai/v1",
            query={"api-version": version} if version and not dated else {},
            processes_files=True,
        ),
        embeddings=EmbeddingFormat(base64=True, max_texts=256),
    )


def entra_credential(
    name: str, keys: str = "AZURE_OPENAI_API_KEY, AZURE_OPENAI_AD_TOKEN or a file of one of them in ..._FILE"
) -> TokenCredential:
    """Return a credential with tokens of the identity of this machine, pod or user.

    Raise `ModelUnusable` if azure-identity is not installed. `name` is the model's name in the message, and `keys`
    names the settings of other credentials.
    """
    try:
        return TokenCredential(EntraTokenSource())
    except ModuleNotFoundError:
        raise ModelUnusable(f"{name} needs {keys}; or, for a managed identity, pip install 'carteiro[azure]'") from None


class EntraTokenSource:
    """Tokens of the identity that azure-identity finds: AZURE_CLIENT_ID and related variables, a workload identity, or
    a managed identity.
    """

    variable = "AZURE_CLIENT_ID"

    def __init__(self) -> None:
        from azure.identity.aio import DefaultAzureCredential

        self._identity = DefaultAzureCredential()

    async def check(self) -> None:
        """No-op. Every source of an identity is on the network, so none is tried before the first call."""

    async def fetch(self) -> AccessToken:
        """Fetch a token for Azure's models. Raise `Misconfigured` or `Unavailable` if Entra ID gives out none."""
        from azure.core.exceptions import AzureError, ClientAuthenticationError

        try:
            token = await self._identity.get_token(SCOPE)
        except ClientAuthenticationError:
            raise Misconfigured(
                "Entra ID gives out no token for Azure's models: check AZURE_CLIENT_ID and the identity"
            ) from None
        except AzureError:
            raise Unavailable("Entra ID cannot be reached for a token") from None
        return AccessToken(token.token, token.expires_on)

    async def close(self) -> None:
        """Close the connections to Entra ID."""
        await self._identity.close()


PROVIDER = cloud_provider(
    scheme="azure", form="azure:DEPLOYMENT", endpoint=endpoint, has_batches=True, telemetry_name="azure.ai.openai"
)
