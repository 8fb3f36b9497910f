"""Mapping between BCP 47 tags and the language codes of models: `por_Latn`, `pt_XX`, `__pt__`, `>>por<<`."""

import re
from collections.abc import Iterable

import langcodes

_CODE = re.compile(r"[A-Za-z]{2,3}([_-][A-Za-z]{2,4})?")
_MAX_DISTANCE = 1
"""Maximum CLDR distance of two tags that mean one language, such as `no` and `nb`."""
_UNKNOWN_REGION = re.compile(r"[_-]XX$")


def is_language_code(text: str) -> bool:
    """Return True if the text has the form of a language code and names a known language."""
    return _CODE.fullmatch(text) is not None and _standard_tag(text) is not None


def to_language_tag(code: str) -> str:
    """Return the BCP 47 tag of a model's code: `pt` for `por_Latn`. Return the code itself if it names no language."""
    return _standard_tag(code) or code


def match_language(tag: str, codes: Iterable[str]) -> str | None:
    """Return the model's code for a BCP 47 tag; None if the model does not have the language.

    The code has the same language and script, and the same region if the model has it. Tags are maximised before the
    comparison: `zh` is `zh-Hans-CN`. A macrolanguage matches its usual member: `ar` matches `arb`, and `no` matches
    `nob`.
    """
    wanted = _maximised_tag(tag)
    if wanted is None:
        return None
    known = {code: full for code in codes if (full := _maximised_tag(code)) is not None}
    found = [code for code, full in known.items() if full[:2] == wanted[:2]] or [
        code
        for code, full in known.items()
        if full[1] == wanted[1] and langcodes.tag_distance(tag, to_language_tag(code)) <= _MAX_DISTANCE
    ]
    plain = [code for code in found if (_standard_tag(code) or "").lower() == tag.lower()]
    region = [code for code in found if known[code] == wanted]
    return next(iter([*plain, *region, *found]), None)


def _standard_tag(code: str) -> str | None:
    try:
        return langcodes.standardize_tag(_UNKNOWN_REGION.sub("", code).replace("_", "-"), macro=True)
    except ValueError:
        return None


def _maximised_tag(code: str) -> tuple[str | None, str | None, str | None] | None:
    tag = _standard_tag(code)
    if tag is None:
        return None
    language = langcodes.Language.get(tag).maximize()
    return language.language, language.script, language.territory
