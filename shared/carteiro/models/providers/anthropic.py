"""Anthropic: `anthropic:NAME` with ANTHROPIC_API_KEY, through its Messages API, at ANTHROPIC_BASE_URL if it is set."""

from importlib.util import find_spec

from carteiro.models.cloud.api import ApiName
from carteiro.models.cloud.api_keys import load_api_key
from carteiro.models.cloud.endpoint import BatchAddress, Endpoint
from carteiro.models.cloud.provider import cloud_provider
from carteiro.models.cloud.provider_options import ANTHROPIC_TIERS
from carteiro.models.cloud.request_format import RequestFormat
from carteiro.models.errors import ModelUnusable
from carteiro.models.settings import ModelSettings

ANTHROPIC_URL = "https://api.anthropic.com"
_FORM = RequestFormat(omitted=frozenset({"temperature", "seed"}))
"""Form of the first request: current models take no temperature, so one that a task chose is not sent
(`MessageCreateParams` in the package anthropic 2.14)."""


def endpoint(name: str, model: str, api: ApiName | None, settings: ModelSettings) -> Endpoint:
    """Return the endpoint of `model`. `name` is the model's name in messages.

    Raise `ModelUnusable` if there is no key, if anthropic is not installed, or if the name chooses an API.
    """
    if api is not None:
        raise ModelUnusable(f"{name} has one API, Messages: leave out ?api=")
    if find_spec("anthropic") is None:
        raise ModelUnusable(f"{name} needs anthropic: pip install 'carteiro[anthropic]'")
    key = load_api_key("ANTHROPIC_API_KEY", settings.anthropic_api_key, settings.anthropic_api_key_file)
    if key is None:
        raise ModelUnusable(f"{name} needs a key: set ANTHROPIC_API_KEY or ANTHROPIC_API_KEY_FILE")
    root = (settings.anthropic_base_url or ANTHROPIC_URL).rstrip("/").removesuffix("/v1")
    return Endpoint(
        model=model,
        url=f"{root}/v1",
        api="messages",
        credential=key,
        not_found_hint="the model's name and ANTHROPIC_BASE_URL",
        form=_FORM,
        tiers=ANTHROPIC_TIERS,
        batches=BatchAddress(url=f"{root}/v1"),
    )


PROVIDER = cloud_provider(
    scheme="anthropic",
    form="anthropic:NAME",
    endpoint=endpoint,
    has_batches=True,
    telemetry_name="anthropic",
    embeds=False,
)
