"""Azure Language: `azure-language:`, or `azure-language:LANGUAGE` if all texts are in one language.

The address is AZURE_LANGUAGE_ENDPOINT. The credential is AZURE_LANGUAGE_KEY, or a token of Entra ID.
"""

from typing import Any

from carteiro.models.cloud.api_keys import load_api_key
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.language.provider import language_service_provider
from carteiro.models.errors import ModelUnusable
from carteiro.models.providers.azure import entra_credential
from carteiro.models.settings import ModelSettings

_KEY = "AZURE_LANGUAGE_KEY"


def service(name: str, language: str, settings: ModelSettings) -> tuple[Any, Endpoint, dict[str, Any]]:
    """Return the service, its endpoint and its arguments. `name` is the model's name in messages.

    Raise `ModelUnusable` if the address or every credential is missing.
    """
    from carteiro.models.cloud.language.azure_language import API_VERSION, AzureLanguage

    if not settings.azure_language_endpoint:
        raise ModelUnusable(
            f"{name} needs an address: set AZURE_LANGUAGE_ENDPOINT, such as https://NAME.cognitiveservices.azure.com"
        )
    key = load_api_key(_KEY, settings.azure_language_key, settings.azure_language_key_file)
    endpoint = Endpoint(
        model=language,
        url=settings.azure_language_endpoint.rstrip("/"),
        api="chat",
        credential=key or entra_credential(name, f"{_KEY} or {_KEY}_FILE"),
        header="Ocp-Apim-Subscription-Key" if key else "Authorization",
        query={"api-version": API_VERSION},
        not_found_hint="AZURE_LANGUAGE_ENDPOINT",
    )
    return AzureLanguage, endpoint, {"language": language}


PROVIDER = language_service_provider(
    scheme="azure-language",
    form="azure-language: (or azure-language:LANGUAGE)",
    service=service,
    telemetry_name="azure.ai.language",
    tasks=("sentiment", "classify", "summarize", "answer", "extract"),
    has_one_price=True,
)
