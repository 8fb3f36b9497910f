"""`http://HOST/v1#NAME`, or `https:`: any server that speaks the OpenAI API.

vLLM, Ollama, llama.cpp, LiteLLM and OpenRouter document it.
"""

from carteiro.models.cloud.api import ApiName
from carteiro.models.cloud.api_keys import NoCredential, load_api_key
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.provider import cloud_provider
from carteiro.models.errors import ModelUnusable
from carteiro.models.settings import ModelSettings

API_KEY_VARIABLE = "CARTEIRO_SERVER_API_KEY"
"""Setting of the key. It is separate, because OpenAI's key must not go to another host."""


def endpoint(name: str, location: str, api: ApiName | None, settings: ModelSettings) -> Endpoint:
    """Return the endpoint of the model at `location`, `//HOST/v1#NAME`. `name` is the model's name in messages, and
    begins with the scheme of the URL.

    Raise `ModelUnusable` if `location` names no model, or holds a user or a password.
    """
    path, _, model = location.partition("#")
    url = f"{name.partition(':')[0]}:{path}"
    if "@" in url:
        # The name is in every reply, so it must not hold a secret.
        raise ModelUnusable(f"a model's URL holds no user and no password: set {API_KEY_VARIABLE}")
    if not model:
        raise ModelUnusable(f"{name!r} does not say which model: write {url}#NAME")
    return Endpoint(
        model=model,
        url=url,
        api=api or "chat",
        credential=load_api_key(API_KEY_VARIABLE, settings.server_api_key, settings.server_api_key_file)
        or NoCredential(API_KEY_VARIABLE),
        not_found_hint="the model's name and the server's address",
    )


PROVIDER = cloud_provider(
    scheme="http",
    aliases=("https",),
    form="http://HOST/v1#NAME (or https)",
    endpoint=endpoint,
    telemetry_name="openai_compatible",
)
