"""OpenAI: `openai:NAME` with OPENAI_API_KEY, at OPENAI_BASE_URL if it is set."""

from carteiro.models.cloud.api import ApiName, default_api
from carteiro.models.cloud.api_keys import load_api_key
from carteiro.models.cloud.embedding_format import EmbeddingFormat
from carteiro.models.cloud.endpoint import BatchAddress, Endpoint
from carteiro.models.cloud.provider import cloud_provider
from carteiro.models.cloud.provider_options import OPENAI_TIERS
from carteiro.models.errors import ModelUnusable
from carteiro.models.settings import ModelSettings

OPENAI_URL = "https://api.openai.com/v1"
"""Address of OpenAI itself."""


def endpoint(name: str, model: str, api: ApiName | None, settings: ModelSettings) -> Endpoint:
    """Return the endpoint of `model`. `name` is the model's name in messages.

    Raise `ModelUnusable` if there is no key.
    """
    key = load_api_key("OPENAI_API_KEY", settings.openai_api_key, settings.openai_api_key_file)
    if key is None:
        raise ModelUnusable(f"{name} needs a key: set OPENAI_API_KEY or OPENAI_API_KEY_FILE")
    url = settings.openai_base_url or OPENAI_URL
    return Endpoint(
        model=model,
        url=url,
        api=api or default_api(model),
        credential=key,
        not_found_hint="the model's name and OPENAI_BASE_URL",
        completion_limit="max_completion_tokens",
        openai=True,
        tiers=OPENAI_TIERS,
        takes_cache_key=True,
        background=True,
        batches=BatchAddress(url=url),
        embeddings=EmbeddingFormat(base64=True, max_texts=256),
    )


PROVIDER = cloud_provider(
    scheme="openai", form="openai:NAME", endpoint=endpoint, has_batches=True, telemetry_name="openai"
)
