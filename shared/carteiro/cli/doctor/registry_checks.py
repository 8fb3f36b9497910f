"""Check of the Schema Registry."""

from carteiro.cli.doctor.finding import Finding
from carteiro.registry.connection import open_configured_registry
from carteiro.registry.errors import RegistryUnavailable
from carteiro.registry.settings import RegistrySettingsInvalid

_WHAT = "schema registry"


async def check_registry() -> Finding | None:
    """Return the finding on the registry of the settings; None if they name none."""
    try:
        registry = open_configured_registry()
    except RegistrySettingsInvalid as error:
        return Finding(_WHAT, "fault", str(error), "the settings are in docs/run/settings.md")
    if registry is None:
        return None
    try:
        await registry.client.check()
    except RegistryUnavailable as error:
        return Finding(_WHAT, "fault", str(error), "workers wait for it: docs/use/schema-registry.md")
    finally:
        await registry.close()
    return Finding(_WHAT, "ok", "it answers")
