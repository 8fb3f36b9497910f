"""Google: `google:NAME`, a Gemini model through the endpoint that speaks the OpenAI API.

With GEMINI_API_KEY the Gemini API (https://ai.google.dev/gemini-api/docs/openai). Without one, Vertex AI in the
project GOOGLE_CLOUD_PROJECT (https://cloud.google.com/vertex-ai/generative-ai/docs/migrate/openai/overview), with
tokens for whatever identity Application Default Credentials find: GOOGLE_APPLICATION_CREDENTIALS, or the machine's own.
"""

import asyncio
from datetime import UTC
from typing import Any
from urllib.parse import quote

from carteiro.models.cloud.api import ApiName
from carteiro.models.cloud.endpoint import BatchAddress, Endpoint
from carteiro.models.cloud.keys import find_key
from carteiro.models.cloud.tokens import Token, Tokens
from carteiro.models.failures import Misconfigured, ModelUnusable, Unavailable
from carteiro.models.settings import ModelSettings

GEMINI_URL = "https://generativelanguage.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
"""What a token has to be for."""


def endpoint(name: str, model: str, api: ApiName | None, settings: ModelSettings) -> Endpoint:
    """Where `model` is called. Raises `ModelUnusable` without a key and without a project."""
    key = find_key("GEMINI_API_KEY", settings.gemini_api_key, settings.gemini_api_key_file)
    if key is not None:
        root = (settings.google_gemini_base_url or GEMINI_URL).rstrip("/")
        return Endpoint(
            model=model,
            url=f"{root}/v1beta/openai",
            api=api or "chat",
            credential=key,
            check="the model's name",
            batches=BatchAddress(url=f"{root}/v1beta/openai", google_files=root),
        )
    project, location = settings.google_cloud_project, settings.google_cloud_location
    if not project:
        raise ModelUnusable(
            f"{name} needs GEMINI_API_KEY or GEMINI_API_KEY_FILE; or, for Vertex AI, GOOGLE_CLOUD_PROJECT "
            "and GOOGLE_APPLICATION_CREDENTIALS"
        )
    host = "aiplatform.googleapis.com" if location == "global" else f"{location}-aiplatform.googleapis.com"
    root = (settings.google_vertex_base_url or f"https://{host}").rstrip("/")
    return Endpoint(
        model=model if "/" in model else f"google/{model}",
        url=f"{root}/v1/projects/{quote(project, safe='')}/locations/{quote(location, safe='')}/endpoints/openapi",
        api=api or "chat",
        credential=application_default(name),
        check="the model's name, GOOGLE_CLOUD_PROJECT and GOOGLE_CLOUD_LOCATION",
    )


def application_default(name: str) -> Tokens:
    """Tokens for Application Default Credentials. Raises `ModelUnusable` without google-auth."""
    try:
        import google.auth.transport.requests  # noqa: F401
    except ModuleNotFoundError as missing:
        raise ModelUnusable(f"{name} on Vertex AI needs {missing.name}: pip install 'carteiro[google]'") from None
    return Tokens(ApplicationDefault())


class ApplicationDefault:
    """Where google-auth finds credentials. They are found anew for each token: their file may have been replaced."""

    variable = "GOOGLE_APPLICATION_CREDENTIALS"

    async def check(self) -> None:
        """Find the credentials; on Google's own machines that asks the metadata server. Raises `ModelUnusable`."""
        from google.auth.exceptions import DefaultCredentialsError

        try:
            await asyncio.to_thread(_find)
        except DefaultCredentialsError:
            raise ModelUnusable(
                "no credentials of Google: set GOOGLE_APPLICATION_CREDENTIALS to the file that holds them"
            ) from None

    async def fetch(self) -> Token:
        """A token for Vertex AI."""
        from google.auth.exceptions import GoogleAuthError, TransportError

        try:
            return await asyncio.to_thread(_token)
        except TransportError:
            raise Unavailable("Google's token service cannot be reached") from None
        except GoogleAuthError as error:
            if error.retryable:
                raise Unavailable("Google's token service failed") from None
            raise Misconfigured("Google gives out no token: check GOOGLE_APPLICATION_CREDENTIALS") from None

    async def close(self) -> None:
        """Each token has a connection of its own."""


def _find() -> Any:
    import google.auth

    credentials, _ = google.auth.default(scopes=[SCOPE])
    return credentials


def _token() -> Token:
    from google.auth.transport.requests import Request

    credentials = _find()
    credentials.refresh(Request())
    return Token(credentials.token, credentials.expiry.replace(tzinfo=UTC).timestamp())
