"""Providers whose models are called over the network: each is a function from a model's name to its endpoint."""

from collections.abc import Callable
from dataclasses import replace

from carteiro.models.cloud.api import ApiName, split_api_option
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.errors import ModelUnusable
from carteiro.models.interface import Model
from carteiro.models.provider import Provider
from carteiro.models.settings import ModelSettings

EndpointFactory = Callable[[str, str, ApiName | None, ModelSettings], Endpoint]
"""Return the endpoint for a model's name, the name's part after the colon, the API that the name chooses, and the
settings. Raise `ModelUnusable` if a key or an address is missing."""


def cloud_provider(
    *,
    scheme: str,
    form: str,
    endpoint: EndpointFactory,
    telemetry_name: str,
    has_batches: bool = False,
    embeds: bool = True,
    aliases: tuple[str, ...] = (),
) -> Provider:
    """Return the provider of the models that are called at the endpoints of `endpoint`. See `Provider` for the rest.

    A name may end with the option `?api=API`. If not `embeds`, there are no embedding models.
    """

    def open_model(name: str, rest: str, settings: ModelSettings) -> Model:
        # These modules bring the SDK.
        from carteiro.models.cloud.background import BackgroundPolicy
        from carteiro.models.cloud.client import CloudModel
        from carteiro.models.cloud.quota import Quota, QuotaController

        location, api = split_api_option(rest)
        made = replace(endpoint(name, location, api, settings), max_retry_after=settings.max_retry_after)
        quota = Quota(QuotaController(settings.requests_per_minute, settings.tokens_per_minute))
        in_background = settings.background and made.background and made.api == "responses"
        background = BackgroundPolicy(settings.background_min_output_tokens) if in_background else None
        return CloudModel(name, made, timeout=settings.timeout, quota=quota, background=background)

    def open_embedder(name: str, rest: str, settings: ModelSettings) -> Model:
        from carteiro.models.cloud.embedder import CloudEmbedder
        from carteiro.models.cloud.quota import Quota, QuotaController

        if split_api_option(rest)[1] is not None:
            raise ModelUnusable(f"{name} is an embedding model, which has one API: leave out ?api=")
        made = replace(endpoint(name, rest, "chat", settings), max_retry_after=settings.max_retry_after)
        quota = Quota(QuotaController(settings.requests_per_minute, settings.tokens_per_minute))
        return CloudEmbedder(name, made, timeout=settings.timeout, quota=quota)

    return Provider(
        scheme=scheme,
        aliases=aliases,
        form=form,
        open=open_model,
        open_embedder=open_embedder if embeds else None,
        remote=True,
        has_batches=has_batches,
        telemetry_name=telemetry_name,
    )
