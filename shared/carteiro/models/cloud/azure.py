"""Azure OpenAI: `azure:DEPLOYMENT` at AZURE_OPENAI_ENDPOINT, with a key or a token of Entra ID.

Two forms of address. Without OPENAI_API_VERSION the v1 API, `/openai/v1`, where the deployment stands in the body
(https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle). With a dated version the deployment stands
in the path and the version in the query (`AzureOpenAI/inference/stable/2024-10-21/inference.json` in
Azure/azure-rest-api-specs), but for Responses, which has never had it in the path. Batches are always those of the v1
API, which every resource has; they need a deployment of the type Global-Batch or Data Zone Batch, which answers no
live calls (https://learn.microsoft.com/azure/foundry/openai/how-to/batch).
"""

from urllib.parse import quote

from carteiro.models.cloud.api import ApiName, api_of
from carteiro.models.cloud.endpoint import BatchAddress, Endpoint
from carteiro.models.cloud.keys import find_key
from carteiro.models.cloud.tokens import Token, Tokens
from carteiro.models.failures import Misconfigured, ModelUnusable, Unavailable
from carteiro.models.settings import ModelSettings

SCOPE = "https://cognitiveservices.azure.com/.default"
"""What a token has to be for
(https://learn.microsoft.com/azure/ai-foundry/openai/how-to/managed-identity)."""
_V1 = ("v1", "preview")
_RENAMED = "2024-12"
"""From this version on it is `max_completion_tokens`. 2024-10-21 knows `max_tokens` alone; reasoning models, which
want the new name, need a later one (https://learn.microsoft.com/azure/ai-foundry/openai/how-to/reasoning)."""


def endpoint(name: str, deployment: str, api: ApiName | None, settings: ModelSettings) -> Endpoint:
    """Where `deployment` is called. Raises `ModelUnusable` where the address or every credential is missing."""
    if not settings.azure_openai_endpoint:
        raise ModelUnusable(
            f"{name} needs an address: set AZURE_OPENAI_ENDPOINT, such as https://NAME.openai.azure.com"
        )
    resource = settings.azure_openai_endpoint.rstrip("/").removesuffix("/v1").removesuffix("/openai")
    version = settings.openai_api_version
    api = api or api_of(deployment)
    dated = None if version in _V1 else version
    path = "/openai/v1"
    if dated:
        path = "/openai" if api == "responses" else f"/openai/deployments/{quote(deployment, safe='')}"
    key = find_key("AZURE_OPENAI_API_KEY", settings.azure_openai_api_key, settings.azure_openai_api_key_file)
    token = find_key("AZURE_OPENAI_AD_TOKEN", settings.azure_openai_ad_token, settings.azure_openai_ad_token_file)
    return Endpoint(
        model=deployment,
        url=f"{resource}{path}",
        api=api,
        credential=token or key or entra(name),
        header="api-key" if key and not token else "Authorization",
        query={"api-version": version} if version else {},
        check="the deployment's name, AZURE_OPENAI_ENDPOINT and OPENAI_API_VERSION",
        completion_limit="max_tokens" if dated and dated < _RENAMED else "max_completion_tokens",
        batches=BatchAddress(
            url=f"{resource}/openai/v1",
            query={"api-version": version} if version and not dated else {},
            processes_files=True,
        ),
    )


def entra(name: str) -> Tokens:
    """Tokens of the identity that this machine, pod or user has. Raises `ModelUnusable` without azure-identity."""
    try:
        return Tokens(EntraId())
    except ModuleNotFoundError:
        raise ModelUnusable(
            f"{name} needs AZURE_OPENAI_API_KEY, AZURE_OPENAI_AD_TOKEN or a file of one of them in ..._FILE; "
            "or, for a managed identity, pip install 'carteiro[azure]'"
        ) from None


class EntraId:
    """Where azure-identity finds an identity: AZURE_CLIENT_ID and its like, a workload identity, a managed one."""

    variable = "AZURE_CLIENT_ID"

    def __init__(self) -> None:
        from azure.identity.aio import DefaultAzureCredential

        self._identity = DefaultAzureCredential()

    async def check(self) -> None:
        """Nothing is looked for before the first call: wherever an identity may come from is on the network."""

    async def fetch(self) -> Token:
        """A token for Azure OpenAI."""
        from azure.core.exceptions import AzureError, ClientAuthenticationError

        try:
            token = await self._identity.get_token(SCOPE)
        except ClientAuthenticationError:
            raise Misconfigured(
                "Entra ID gives out no token for Azure OpenAI: check AZURE_CLIENT_ID and the identity"
            ) from None
        except AzureError:
            raise Unavailable("Entra ID cannot be reached for a token") from None
        return Token(token.token, token.expires_on)

    async def close(self) -> None:
        """Close its connections."""
        await self._identity.close()
