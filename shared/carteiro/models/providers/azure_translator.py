"""Azure Translator: `azure-translator:`, or `azure-translator:DEPLOYMENT` for a large language model of the resource or
a custom translator.

The credential is AZURE_TEXT_TRANSLATION_APIKEY, or a token of Entra ID. AZURE_TEXT_TRANSLATION_REGION is the resource's
region at the global address; with Entra ID, that needs AZURE_TEXT_TRANSLATION_RESOURCE_ID too
(https://learn.microsoft.com/azure/ai-services/translator/text-translation/reference/authentication).
"""

from typing import Any
from urllib.parse import urlsplit

from carteiro.models.cloud.api_keys import load_api_key
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.language.provider import language_service_provider
from carteiro.models.errors import ModelUnusable
from carteiro.models.providers.azure import entra_credential
from carteiro.models.settings import ModelSettings

GLOBAL_URL = "https://api.cognitive.microsofttranslator.com"
_KEY = "AZURE_TEXT_TRANSLATION_APIKEY"


def service(name: str, deployment: str, settings: ModelSettings) -> tuple[Any, Endpoint, dict[str, Any]]:
    """Return the translator, its endpoint and its arguments. `name` is the model's name in messages.

    Raise `ModelUnusable` if every credential is missing, or what a token needs at an address that all resources share.
    """
    from carteiro.models.cloud.language.azure_translator import API_VERSION, AzureTranslator

    key = load_api_key(_KEY, settings.azure_translator_key, settings.azure_translator_key_file)
    url = settings.azure_translator_endpoint or GLOBAL_URL
    if key is None and _is_shared(url) and not settings.azure_translator_resource:
        raise ModelUnusable(
            f"{name} needs {_KEY} or {_KEY}_FILE; or, for an identity of Entra ID, AZURE_TEXT_TRANSLATION_RESOURCE_ID, "
            "or the resource's own address as AZURE_TEXT_TRANSLATION_ENDPOINT"
        )
    about = {
        "Ocp-Apim-Subscription-Region": settings.azure_translator_region,
        "Ocp-Apim-ResourceId": settings.azure_translator_resource,
    }
    endpoint = Endpoint(
        model=deployment,
        url=_address(url, API_VERSION),
        api="chat",
        credential=key or entra_credential(name, f"{_KEY} or {_KEY}_FILE"),
        header="Ocp-Apim-Subscription-Key" if key else "Authorization",
        headers={header: value for header, value in about.items() if value},
        query={"api-version": API_VERSION},
        not_found_hint="the deployment's name, AZURE_TEXT_TRANSLATION_ENDPOINT and AZURE_TEXT_TRANSLATION_REGION",
    )
    return AzureTranslator, endpoint, {"deployment": deployment}


def _is_shared(url: str) -> bool:
    """Return True for the global address and those of geographies. A token there needs the resource's id, as the
    package azure-ai-translation-text says.
    """
    return (urlsplit(url).hostname or "").endswith(".microsofttranslator.com")


def _address(endpoint: str, version: str) -> str:
    """Return the address of the API: a resource's own domain has it under a path, as Microsoft's library knows."""
    url = endpoint.rstrip("/")
    is_resource = "cognitiveservices" in (urlsplit(url).hostname or "") and not urlsplit(url).path
    return f"{url}/translator/text/v{version}" if is_resource else url


PROVIDER = language_service_provider(
    scheme="azure-translator",
    form="azure-translator: (or azure-translator:DEPLOYMENT)",
    service=service,
    telemetry_name="azure.ai.translator",
    tasks=("translate",),
)
