"""Codes of languages: BCP 47 tags of requests, as a service spells them."""

from collections.abc import Mapping

GOOGLE: Mapping[str, str] = {
    "nb": "no",
    "zh-hans": "zh-CN",
    "zh-sg": "zh-CN",
    "zh-hant": "zh-TW",
    "zh-hk": "zh-TW",
    "zh-mo": "zh-TW",
}
"""https://cloud.google.com/translate/docs/languages"""
AZURE: Mapping[str, str] = {
    "no": "nb",
    "pt-br": "pt",
    "zh": "zh-Hans",
    "zh-cn": "zh-Hans",
    "zh-sg": "zh-Hans",
    "zh-tw": "zh-Hant",
    "zh-hk": "zh-Hant",
    "zh-mo": "zh-Hant",
}
"""https://learn.microsoft.com/azure/ai-services/translator/language-support: `pt` is Brazil's, `pt-pt` Portugal's."""
_HOME_REGIONS = frozenset({"en-us", "ja-jp", "ko-kr", "sv-se", "da-dk", "cs-cz", "el-gr", "uk-ua"})
"""Tags with the region that their language means without one, besides those whose region has the language's name."""


def target_code(tag: str, known: Mapping[str, str]) -> str:
    """Return the service's code of a language to translate into. A region that the language has anyhow is left out."""
    folded = tag.lower()
    if folded in known:
        return known[folded]
    language, _, region = folded.partition("-")
    is_home = folded in _HOME_REGIONS or (region == language and language != "pt")
    return language if is_home else tag


def source_code(tag: str, known: Mapping[str, str]) -> str:
    """Return the service's code of a text's language. A region says nothing about reading, so it is left out."""
    folded = tag.lower()
    if folded in known:
        return known[folded]
    language, _, rest = tag.partition("-")
    return known.get(language.lower(), language) if len(rest) == 2 or rest.isdigit() else tag
