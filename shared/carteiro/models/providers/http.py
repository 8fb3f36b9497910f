"""`http://HOST/v1#NAME`, or `https:`: any server that speaks the OpenAI API.

vLLM, Ollama, llama.cpp, LiteLLM and OpenRouter document it.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from carteiro.models.cloud.api import ApiName
from carteiro.models.cloud.api_keys import NoCredential, load_api_key
from carteiro.models.cloud.embedding_format import QUERY_OR_DOCUMENT, QUERY_OR_PASSAGE, EmbeddingFormat
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.provider import cloud_provider
from carteiro.models.cloud.provider_options import OPENAI_TIERS
from carteiro.models.errors import ModelUnusable
from carteiro.models.prompt import InputType
from carteiro.models.settings import ModelSettings

API_KEY_VARIABLE = "CARTEIRO_SERVER_API_KEY"
"""Setting of the key. It is separate, because OpenAI's key must not go to another host."""
_INPUT_TYPES = {"api.voyageai.com": QUERY_OR_DOCUMENT, "integrate.api.nvidia.com": QUERY_OR_PASSAGE}
"""Values of `input_type` at the hosts that know it."""


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
        tiers=OPENAI_TIERS,  # A gateway may have them.
        takes_cache_key=True,
        embeddings=EmbeddingFormat(input_types=_input_types(url)),
    )


def _input_types(url: str) -> Mapping[InputType, str]:
    try:
        return _INPUT_TYPES.get(urlsplit(url).hostname or "", {})
    except ValueError:  # The first call says what is wrong with the address.
        return {}


PROVIDER = cloud_provider(
    scheme="http",
    aliases=("https",),
    form="http://HOST/v1#NAME (or https)",
    endpoint=endpoint,
    telemetry_name="openai_compatible",
)
