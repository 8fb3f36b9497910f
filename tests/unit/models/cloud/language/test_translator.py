"""All translators of clouds: parts, white space and the recognised language."""

import pytest

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


@pytest.mark.parametrize("language", ["no language", "x" * 1000, "\x00", ""])
async def test_recognised_language_that_is_no_tag_is_undetermined(
    services: LanguageServices, open_service: OpenService, language: str
) -> None:
    services.answer({"value": [{"translations": [{"text": "Olá"}], "detectedLanguage": {"language": language}}]})
    assert (await open_service("azure-translator:").translate("Hello", None, "pt")).source == "und"
