"""Providers of language services: each is a function from a model's name to the service."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.interface import Model
from carteiro.models.provider import Provider
from carteiro.models.settings import ModelSettings

if TYPE_CHECKING:
    from carteiro.models.cloud.language.service import LanguageService

ServiceFactory = Callable[[str, str, ModelSettings], "tuple[Callable[..., LanguageService], Endpoint, dict[str, Any]]"]
"""Return the class of the service, its endpoint and its own arguments, for a model's name, the name's part after the
colon, and the settings. Raise `ModelUnusable` if a key or an address is missing."""


def language_service_provider(
    *,
    scheme: str,
    form: str,
    service: ServiceFactory,
    telemetry_name: str,
    tasks: tuple[str, ...],
    has_one_price: bool = False,
) -> Provider:
    """Return the provider of a language service. See `Provider`; `form` says what may follow the colon."""

    def open_service(name: str, rest: str, settings: ModelSettings) -> Model:
        from carteiro.models.cloud.quota import Quota, QuotaController

        kind, endpoint, arguments = service(name, rest, settings)
        endpoint = replace(endpoint, max_retry_after=settings.max_retry_after)
        # The services count characters: `tokens_per_minute` does not bound them.
        quota = Quota(QuotaController(settings.requests_per_minute))
        return kind(name, endpoint, timeout=settings.timeout, quota=quota, **arguments)

    return Provider(
        scheme=scheme,
        form=form,
        open=open_service,
        remote=True,
        has_default=True,
        tasks=tasks,
        has_one_price=has_one_price,
        telemetry_name=telemetry_name,
    )
