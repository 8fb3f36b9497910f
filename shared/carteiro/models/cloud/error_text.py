"""A provider's message: its own words without the caller's text that it echoes, and the part that may be shown."""

import re
from collections.abc import Iterator
from functools import cached_property
from itertools import chain, islice
from typing import Any

from carteiro.models.cloud.rejected_option import PROMPT_FIELDS
from carteiro.text.surrogates import repair_unicode

MAX_SHOWN_CHARACTERS = 300
"""Characters of a provider's message that are passed on."""
_QUOTED = re.compile(
    r"""(?<!\w)'(.{0,2000}?)'(?!\w)|"((?:\\.|[^"\\]){0,2000})"|`([^`]{0,2000})`|“([^”]{0,2000})”|‘([^’]{0,2000})’"""
    r"""|«([^»]{0,2000})»""",
    re.DOTALL,
)
_SECRET = re.compile(
    r"""\b(?:sk|pk|rk|gsk|xai|hf|nvapi|pplx|key|org|proj|AIza)[-_]?[\w*-]*\d[\w*-]{5,}|\bBearer\s+\S+"""
    r"""|\b(?:org|proj|sk)[-_][\w*-]{6,}|\b[\w.+-]+@[\w-]+\.[\w.]+|\b(?=[a-zA-Z_]*\d)\w{28,}"""
    r"""|\b\w{2,12}\*{3,}\w*""",
    re.ASCII,
)
_DATA = re.compile(r"data:[^,\s]{1,100};base64,|[\w+/=]{4096}", re.ASCII)
"""Beginning of a file in base64."""
_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]")
_MAX_QUOTE, _MIN_ECHO, _STEP = 40, 24, 8
"""Characters: of a quotation that is shown; of the caller's text that is not shown; between two comparisons."""
_CONTEXT = 10
"""Characters next to a phrase that identify it as the caller's text."""
_MAX_STRINGS, _MAX_CHARACTERS = 2000, 200_000
"""Maximum number of strings and characters of the caller's request that are compared."""


class ErrorText:
    """The messages of one error. `request_body` is the body of the refused request, if it is known.

    `field_names` are the quoted words, such as names of the request's fields, that are the provider's own.
    """

    def __init__(self, messages: list[str], field_names: frozenset[str], request_body: Any = None) -> None:
        self._messages, self._field_names, self._request_body = messages, field_names, request_body

    @cached_property
    def words(self) -> str:
        """The messages without quotations and echoes, in lower case, one on each line."""
        lines = (_QUOTED.sub(self._unquoted, self._without_echo(message)) for message in self._messages)
        return "\n".join(" ".join(line.lower().replace("’", "'").split()) for line in lines)

    def matches(self, pattern: re.Pattern[str]) -> bool:
        """Return True if the provider's own words, and not an echo of the caller's, match `pattern`."""
        return any(not self._is_echo(*match.span()) for match in pattern.finditer(self.words))

    def safe_message(self) -> str:
        """Return the innermost message on one line: shortened, without secrets and without the caller's text."""
        message = self._messages[-1][: 4 * MAX_SHOWN_CHARACTERS] if self._messages else ""
        message = self._without_echo(message)
        message = _QUOTED.sub(lambda match: match[0] if len(match[0]) <= _MAX_QUOTE + 2 else "'…'", message)
        return shorten(_SECRET.sub("[…]", message))

    def _unquoted(self, match: re.Match[str]) -> str:
        quoted = next((group for group in match.groups() if group is not None), "")
        name = quoted.strip().lower()
        return name if re.split(r"[.\[]", name)[0] in self._field_names else '""'

    @cached_property
    def _request_strings(self) -> list[str]:
        """The caller's texts and names, in the form that they would have in `words`."""
        found, room = [], _MAX_CHARACTERS
        for text in islice(_strings_in(self._request_body), _MAX_STRINGS):
            found.append(" ".join(text[:room].lower().split()))
            room -= len(found[-1])
        return [text for text in found if len(text) > 3]

    @cached_property
    def _prompt_texts(self) -> list[str]:
        """The texts of the caller's prompt."""
        request = self._request_body if isinstance(self._request_body, dict) else {}
        fields = (request.get(name) for name in PROMPT_FIELDS)
        texts = islice(chain.from_iterable(map(_strings_in, fields)), _MAX_STRINGS)
        return [text for text in texts if " " in text.strip() and len(text) >= _STEP]

    def _is_echo(self, start: int, end: int) -> bool:
        phrase = self.words[start:end]
        before, after = self.words[max(0, start - _CONTEXT) : end], self.words[start : end + _CONTEXT]
        for text in self._request_strings:
            if phrase not in text:
                continue
            if (before != phrase and before in text) or (after != phrase and after in text):
                return True
            at = self.words.rfind(text, 0, start + len(text))
            if at != -1 and at <= start and at + len(text) >= end:
                return True
        return False

    def _without_echo(self, message: str) -> str:
        """Cut long parts of the message that repeat a text of the caller word for word."""
        for text in self._prompt_texts:
            if len(text) < 2 * _MIN_ECHO:
                message = message.replace(text, "…")
        sent, start = "\n".join(self._prompt_texts)[:_MAX_CHARACTERS], 0
        while start + _MIN_ECHO <= len(message):
            if message[start : start + _MIN_ECHO] in sent:
                begin, end = _extend_match(message, sent, start, start + _MIN_ECHO)
                message = f"{message[:begin]}…{message[end:]}"
                start = begin + 1
            else:
                start += _STEP
        return message


def shorten(message: str) -> str:
    """Return a provider's message on one line, without control characters and halves of characters, cut to
    `MAX_SHOWN_CHARACTERS`.
    """
    message = " ".join(_CONTROL.sub(" ", repair_unicode(message)).split())
    return message if len(message) <= MAX_SHOWN_CHARACTERS else message[: MAX_SHOWN_CHARACTERS - 1] + "…"


def _extend_match(message: str, text: str, begin: int, end: int) -> tuple[int, int]:
    """Extend a match of `message` in `text` to both sides. Return its begin and end in `message`."""
    while begin and message[begin - 1 : end] in text:
        begin -= 1
    while end < len(message) and message[begin : end + 1] in text:
        end += 1
    return begin, end


def _strings_in(value: Any) -> Iterator[str]:
    """Yield every string and every name in a JSON value, without the data of files."""
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            if not _DATA.match(each):
                yield each
        elif isinstance(each, dict):
            pending += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple):
            pending += each
