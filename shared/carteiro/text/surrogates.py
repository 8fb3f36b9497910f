"""Halves of characters, which JSON can have and UTF-8 cannot: surrogates that are not a pair."""

import re

_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_BYTES = re.compile("[\udc80-\udcff]+")
_LONE = re.compile("[\ud800-\udfff]")


def repair_unicode(text: str) -> str:
    """Return the text with the halves of characters joined, and a replacement for a half without the other."""
    if not _LONE.search(text):
        return text
    text = _PAIR.sub(lambda pair: pair.group().encode("utf-16", "surrogatepass").decode("utf-16"), text)
    text = _BYTES.sub(lambda run: run.group().encode(errors="surrogateescape").decode(errors="replace"), text)
    return _LONE.sub("\ufffd", text)
