"""Any server that speaks the OpenAI API: `http://HOST/v1#NAME`. vLLM, Ollama, llama.cpp, LiteLLM, OpenRouter."""

from carteiro.models.cloud.api import ApiName
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.keys import NoKey, find_key
from carteiro.models.failures import ModelUnusable
from carteiro.models.settings import ModelSettings

KEY = "CARTEIRO_SERVER_API_KEY"
"""A key of its own: OpenAI's goes to no other host."""


def endpoint(name: str, location: str, api: ApiName | None, settings: ModelSettings) -> Endpoint:
    """Where the model at `location`, `URL#NAME`, is called. Raises `ModelUnusable` where it is no such thing."""
    url, _, model = location.partition("#")
    if "@" in url:
        # The name stands in every reply.
        raise ModelUnusable(f"a model's URL holds no user and no password: set {KEY}")
    if not model:
        raise ModelUnusable(f"{name!r} does not say which model: write {url}#NAME")
    return Endpoint(
        model=model,
        url=url,
        api=api or "chat",
        credential=find_key(KEY, settings.server_api_key, settings.server_api_key_file) or NoKey(KEY),
        check="the model's name and the server's address",
    )
