"""Google: `google:NAME`, a Gemini model through the endpoint that speaks the OpenAI API.

With GEMINI_API_KEY it is the Gemini API (https://ai.google.dev/gemini-api/docs/openai). Without a key it is Vertex AI
in the project GOOGLE_CLOUD_PROJECT (https://cloud.google.com/vertex-ai/generative-ai/docs/migrate/openai/overview),
with tokens of the identity that Application Default Credentials find: GOOGLE_APPLICATION_CREDENTIALS, or the machine's
own.
"""

import asyncio
from datetime import UTC
from typing import Any
from urllib.parse import quote

from carteiro.models.cloud.access_tokens import AccessToken, TokenCredential
from carteiro.models.cloud.api import ApiName
from carteiro.models.cloud.api_keys import load_api_key
from carteiro.models.cloud.embedding_format import EmbeddingFormat
from carteiro.models.cloud.endpoint import BatchAddress, Endpoint
from carteiro.models.cloud.provider import cloud_provider
from carteiro.models.cloud.provider_options import GEMINI_TIERS
from carteiro.models.errors import Misconfigured, ModelUnusable, Unavailable
from carteiro.models.settings import ModelSettings

GEMINI_URL = "https://generativelanguage.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
"""Scope of an access token."""
_MAX_TEXTS = 100
"""Maximum number of texts in a call for vectors (https://ai.google.dev/api/embeddings)."""


def endpoint(name: str, model: str, api: ApiName | None, settings: ModelSettings) -> Endpoint:
    """Return the endpoint of `model`. `name` is the model's name in messages.

    Raise `ModelUnusable` if both the key and the project are missing.
    """
    key = load_api_key("GEMINI_API_KEY", settings.gemini_api_key, settings.gemini_api_key_file)
    if key is not None:
        root = (settings.google_gemini_base_url or GEMINI_URL).rstrip("/")
        return Endpoint(
            model=model,
            url=f"{root}/v1beta/openai",
            api=api or "chat",
            pdf="image_url",
            credential=key,
            not_found_hint="the model's name",
            tiers=GEMINI_TIERS,
            batches=BatchAddress(url=f"{root}/v1beta/openai", google_files=root),
            embeddings=EmbeddingFormat(max_texts=_MAX_TEXTS),
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
        pdf="image_url",
        credential=application_default_credential(name),
        not_found_hint="the model's name, GOOGLE_CLOUD_PROJECT and GOOGLE_CLOUD_LOCATION",
        embeddings=EmbeddingFormat(max_texts=_MAX_TEXTS),
    )


def application_default_credential(name: str) -> TokenCredential:
    """Return a credential with tokens of Application Default Credentials. `name` is the model's name in the message.

    Raise `ModelUnusable` if google-auth is not installed.
    """
    try:
        import google.auth.transport.requests  # noqa: F401
    except ModuleNotFoundError as missing:
        raise ModelUnusable(f"{name} needs {missing.name}: pip install 'carteiro[google]'") from None
    return TokenCredential(ApplicationDefaultTokenSource())


class ApplicationDefaultTokenSource:
    """Tokens of the credentials that google-auth finds. Each token starts a new search: the file may be a new one."""

    variable = "GOOGLE_APPLICATION_CREDENTIALS"

    async def check(self) -> None:
        """Check that there are credentials. On Google's own machines this calls the metadata server.

        Raise `ModelUnusable` if there are none.
        """
        from google.auth.exceptions import DefaultCredentialsError

        try:
            await asyncio.to_thread(_find_credentials)
        except DefaultCredentialsError:
            raise ModelUnusable(
                "no credentials of Google: set GOOGLE_APPLICATION_CREDENTIALS to the file that holds them"
            ) from None

    async def fetch(self) -> AccessToken:
        """Fetch a token. Raise `Misconfigured` or `Unavailable` if Google gives out none."""
        from google.auth.exceptions import GoogleAuthError, TransportError

        try:
            return await asyncio.to_thread(_fetch_token)
        except TransportError:
            raise Unavailable("Google's token service cannot be reached") from None
        except GoogleAuthError as error:
            if error.retryable:
                raise Unavailable("Google's token service failed") from None
            raise Misconfigured("Google gives out no token: check GOOGLE_APPLICATION_CREDENTIALS") from None

    async def close(self) -> None:
        """No-op: each token has a connection of its own."""


def _find_credentials() -> Any:
    import google.auth

    credentials, _ = google.auth.default(scopes=[SCOPE])
    return credentials


def _fetch_token() -> AccessToken:
    from google.auth.transport.requests import Request

    credentials = _find_credentials()
    credentials.refresh(Request())
    return AccessToken(credentials.token, credentials.expiry.replace(tzinfo=UTC).timestamp())


PROVIDER = cloud_provider(
    scheme="google", form="google:NAME", endpoint=endpoint, has_batches=True, telemetry_name="gcp.gen_ai"
)
