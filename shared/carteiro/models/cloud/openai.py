"""OpenAI: `openai:NAME` with OPENAI_API_KEY, at OPENAI_BASE_URL where that is set."""

from carteiro.models.cloud.api import ApiName, api_of
from carteiro.models.cloud.endpoint import BatchAddress, Endpoint
from carteiro.models.cloud.keys import find_key
from carteiro.models.failures import ModelUnusable
from carteiro.models.settings import ModelSettings

OPENAI_URL = "https://api.openai.com/v1"
"""Where OpenAI itself is."""


def endpoint(name: str, model: str, api: ApiName | None, settings: ModelSettings) -> Endpoint:
    """Where `model` is called. Raises `ModelUnusable` without a key."""
    key = find_key("OPENAI_API_KEY", settings.openai_api_key, settings.openai_api_key_file)
    if key is None:
        raise ModelUnusable(f"{name} needs a key: set OPENAI_API_KEY or OPENAI_API_KEY_FILE")
    url = settings.openai_base_url or OPENAI_URL
    return Endpoint(
        model=model,
        url=url,
        api=api or api_of(model),
        credential=key,
        check="the model's name and OPENAI_BASE_URL",
        completion_limit="max_completion_tokens",
        openai=True,
        batches=BatchAddress(url=url),
    )
