"""All translators of clouds: parts, white space and the recognised language."""

from tests.provider.language_services import LanguageServices
from tests.unit.models.cloud.language.conftest import OpenService


async def test_white_space_alone_is_kept_and_costs_nothing(
    services: LanguageServices, open_service: OpenService
) -> None:
    found = await open_service("azure-translator:").translate(" \n ", None, "pt")
    assert (found.text, found.source, found.usage.characters) == (" \n ", "und", 0)
    assert not services.requests


async def test_language_of_the_first_part_is_that_of_the_text(open_service: OpenService) -> None:
    found = await open_service("azure-translator:").translate("Olá. " * 9000 + "Gut. " * 9000, None, "en")
    assert found.source == "pt"
