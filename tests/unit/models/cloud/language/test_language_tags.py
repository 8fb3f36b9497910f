"""BCP 47 tags as services spell them."""

import pytest

from carteiro.models.cloud.language.language_tags import AZURE, GOOGLE, source_code, target_code


@pytest.mark.parametrize(
    ("tag", "azure", "google"),
    [
        ("pt", "pt", "pt"),
        ("pt-BR", "pt", "pt-BR"),
        ("pt-PT", "pt-PT", "pt-PT"),
        ("zh-Hant", "zh-Hant", "zh-TW"),
        ("zh", "zh-Hans", "zh"),
        ("en-US", "en", "en"),
        ("en-GB", "en-GB", "en-GB"),
        ("fr-FR", "fr", "fr"),
        ("fr-CA", "fr-CA", "fr-CA"),
        ("sr-Latn", "sr-Latn", "sr-Latn"),
        ("nb", "nb", "no"),
        ("no", "nb", "no"),
    ],
)
def test_target(tag: str, azure: str, google: str) -> None:
    assert (target_code(tag, AZURE), target_code(tag, GOOGLE)) == (azure, google)


@pytest.mark.parametrize(
    ("tag", "azure", "google"),
    [
        ("en-GB", "en", "en"),
        ("es-419", "es", "es"),
        ("zh-TW", "zh-Hant", "zh"),
        ("sr-Latn", "sr-Latn", "sr-Latn"),
        ("nb-NO", "nb", "no"),
        ("", "", ""),
    ],
)
def test_source(tag: str, azure: str, google: str) -> None:
    assert (source_code(tag, AZURE), source_code(tag, GOOGLE)) == (azure, google)
