"""Languages by BCP 47 tags, and by what translation models call them: `por_Latn`, `pt_XX`, `__pt__`, `>>por<<`."""

import re
from collections.abc import Iterable

import langcodes

_CODE = re.compile(r"[A-Za-z]{2,3}([_-][A-Za-z]{2,4})?")
_SAME = 1
"""Distance by CLDR of two tags of one language: `no` and `nb`."""
_ANY_REGION = re.compile(r"[_-]XX$")


def is_code(text: str) -> bool:
    """Whether a model may mean a language by it."""
    return _CODE.fullmatch(text) is not None and _tag(text) is not None


def tag_of(code: str) -> str:
    """The BCP 47 tag of a model's code: `pt` for `por_Latn`; the code itself where it is none of a language."""
    return _tag(code) or code


def nearest(wanted: str, codes: Iterable[str]) -> str | None:
    """The model's code for a BCP 47 tag: the same language in the same script, and of the same region if there is one.

    Tags are compared in full (`zh` is `zh-Hans-CN`), and a language of a group is taken for the group where the world
    does (`arb` for `ar`, `nob` for `no`). None where the model has no such language.
    """
    asked = _full(wanted)
    if asked is None:
        return None
    known = {code: full for code in codes if (full := _full(code)) is not None}
    found = [code for code, full in known.items() if full[:2] == asked[:2]] or [
        code
        for code, full in known.items()
        if full[1] == asked[1] and langcodes.tag_distance(wanted, tag_of(code)) <= _SAME
    ]
    plain = [code for code in found if (_tag(code) or "").lower() == wanted.lower()]
    region = [code for code in found if known[code] == asked]
    return next(iter([*plain, *region, *found]), None)


def _tag(code: str) -> str | None:
    try:
        return langcodes.standardize_tag(_ANY_REGION.sub("", code).replace("_", "-"), macro=True)
    except ValueError:
        return None


def _full(code: str) -> tuple[str | None, str | None, str | None] | None:
    tag = _tag(code)
    if tag is None:
        return None
    language = langcodes.Language.get(tag).maximize()
    return language.language, language.script, language.territory
