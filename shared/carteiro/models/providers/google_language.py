"""Google's Cloud Natural Language: `google-language:`, or `google-language:LANGUAGE` if all texts are in one language.

The credential is GOOGLE_API_KEY, or that of Application Default Credentials, as for Vertex AI.
"""

from typing import Any

from carteiro.models.cloud.api_keys import load_api_key
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.language.provider import language_service_provider
from carteiro.models.providers.google import application_default_credential
from carteiro.models.settings import ModelSettings

LANGUAGE_URL = "https://language.googleapis.com"


def service(name: str, language: str, settings: ModelSettings) -> tuple[Any, Endpoint, dict[str, Any]]:
    """Return the service, its endpoint and its arguments. `name` is the model's name in messages.

    Raise `ModelUnusable` if there is no key and google-auth is not installed.
    """
    from carteiro.models.cloud.language.google_language import GoogleLanguage

    key = load_api_key("GOOGLE_API_KEY", settings.google_api_key, settings.google_api_key_file)
    endpoint = Endpoint(
        model=language,
        url=f"{(settings.google_language_url or LANGUAGE_URL).rstrip('/')}/v2",
        api="chat",
        credential=key or application_default_credential(name),
        header="x-goog-api-key" if key else "Authorization",
        headers=quota_project(settings),
        not_found_hint="CARTEIRO_GOOGLE_LANGUAGE_URL",
    )
    return GoogleLanguage, endpoint, {"language": language}


def quota_project(settings: ModelSettings) -> dict[str, str]:
    """Return the header that names the project that pays, if it is not that of the credentials."""
    project = settings.google_cloud_quota_project
    return {"x-goog-user-project": project} if project else {}


PROVIDER = language_service_provider(
    scheme="google-language",
    form="google-language: (or google-language:LANGUAGE)",
    service=service,
    telemetry_name="gcp.language",
    tasks=("sentiment", "classify"),
    has_one_price=True,
)
