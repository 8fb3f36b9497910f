"""Lengths of a text in the units by which services limit texts."""

import unicodedata


def utf16_length(text: str) -> int:
    """Return the number of UTF-16 code units, as .NET and Java count a text's length."""
    return len(text) + sum(character > "\uffff" for character in text)


def utf8_length(text: str) -> int:
    """Return the number of bytes in UTF-8. Half a surrogate pair has three bytes, as its replacement has."""
    return len(text.encode(errors="surrogatepass"))


def text_element_length(text: str) -> int:
    """Return an upper bound of the number of text elements (extended grapheme clusters), never above the code points.

    A combining mark belongs to the character before it (https://www.unicode.org/reports/tr29/, rule GB9), unless that
    is a line break or another control character. Other clusters, such as emoji that are joined, count more than once.
    """
    if text.isascii():
        return len(text)
    count, is_joinable = 0, False
    for character in text:
        category = unicodedata.category(character)
        if not (is_joinable and category in ("Mn", "Me")):
            count += 1
            is_joinable = category not in ("Cc", "Cf", "Zl", "Zp")
    return count
