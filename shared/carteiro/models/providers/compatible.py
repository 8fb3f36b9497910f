"""Providers and servers that speak OpenAI's API: one for each row of `COMPATIBLE_PROVIDERS`."""

from functools import partial
from urllib.parse import urlsplit, urlunsplit

from carteiro.models.cloud.api import ApiName
from carteiro.models.cloud.api_keys import NoCredential, load_api_key
from carteiro.models.cloud.embedding_format import EmbeddingFormat
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.provider import cloud_provider
from carteiro.models.compatible import COMPATIBLE_PROVIDERS, CompatibleProvider
from carteiro.models.errors import ModelUnusable
from carteiro.models.provider import Provider
from carteiro.models.settings import ModelSettings


def endpoint(
    name: str, model: str, api: ApiName | None, settings: ModelSettings, *, row: CompatibleProvider
) -> Endpoint:
    """Return the endpoint of `model` at the provider of `row`. `name` is the model's name in messages.

    Raise `ModelUnusable` if a key is needed and missing, or if the other address is no address.
    """
    key = load_api_key(row.key, settings.value(row.key), settings.value(f"{row.key}_FILE"))
    if key is None and row.needs_key:
        raise ModelUnusable(f"{name} needs a key: set {row.key} or {row.key}_FILE")
    return Endpoint(
        model=model,
        url=complete_address(settings.value(row.address) or row.url, row),
        api=api or "chat",
        credential=key or NoCredential(row.key),
        not_found_hint=f"the model's name and {row.address}",
        completion_limit=row.limit,
        seed=row.seed,
        pdf=row.pdf,
        tools=row.tools,
        images=row.images,
        form=row.form,
        reasoning=row.reasoning,
        tiers=row.tiers,
        takes_cache_key=row.takes_cache_key,
        embeddings=row.embeddings or EmbeddingFormat(),
    )


def complete_address(address: str, row: CompatibleProvider) -> str:
    """Return the address with the path of the row's URL if it has none, and with its port and `http` if it has no
    scheme.

    Raise `ModelUnusable` if there is no host, or a user or a password, which messages could show.
    """
    default = urlsplit(row.url)
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        port, host = parts.port, parts.hostname
    except ValueError:
        port = host = None
    if not host or "@" in parts.netloc or parts.scheme not in ("http", "https"):
        raise ModelUnusable(f"{row.address} is no address without user and password, such as {row.url}")
    netloc = parts.netloc
    if "://" not in address and port is None and default.port:
        netloc = f"{netloc}:{default.port}"
    return urlunsplit((parts.scheme, netloc, parts.path.rstrip("/") or default.path, "", ""))


def _provider(row: CompatibleProvider) -> Provider:
    return cloud_provider(
        scheme=row.scheme,
        form=f"{row.scheme}:NAME",
        endpoint=partial(endpoint, row=row),
        telemetry_name=row.telemetry_name or row.scheme,
        embeds=row.embeddings is not None,
    )


PROVIDERS = tuple(_provider(row) for row in COMPATIBLE_PROVIDERS)
