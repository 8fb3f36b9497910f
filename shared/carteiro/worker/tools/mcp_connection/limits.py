"""Limits of what an MCP server may send, and the repair of its texts."""

import re

import httpx2

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""Maximum bytes of one message of a server: room for an image of 3 MiB in base64, which is then described in words."""
_MAX_VALUES = 100_000
"""Maximum number of values of JSON in a message: each is an object of Python, and the SDK copies them several times."""
TOO_LONG = f"The tool's answer has more than {MAX_ANSWER_BYTES >> 20} MiB or {_MAX_VALUES:,} values."
UNREADABLE = "The tool's server gave no answer that can be read."
TRANSPORT_FAILED = -32090
"""Code of errors that are made here, in our words, in the place of an answer."""
MAX_REQUESTS = 16
"""Maximum number of a server's requests that wait for answers. Others are left out: the SDK has a task for each."""
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPES = re.compile(
    rb"(?:\\\\)+|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
"""Escaped backslashes, characters as pairs of surrogates, and halves of such pairs."""


class AnswerTooLong(httpx2.StreamError):
    """An answer is too long, or compressed, so that its length is not known."""


class AnswerLost(httpx2.StreamError):
    """A connection ended in the middle of an answer."""


def repaired(message: bytes) -> bytes:
    """Return JSON in UTF-8 without halves of characters. Servers that cut a text at an emoji leave such a half."""
    message = message.decode(errors="replace").encode()
    if _HALF_CHARACTER.search(message) is None:
        return message
    return _ESCAPES.sub(lambda found: rb"\ufffd" if len(found[0]) == 6 and found[0][1:2] == b"u" else found[0], message)


def has_many_values(message: bytes) -> bool:
    """Return True if a message has too many values of JSON."""
    if _count_values(message) <= _MAX_VALUES:
        return False
    return _count_values(_STRING.sub(b"", message)) > _MAX_VALUES


def _count_values(message: bytes) -> int:
    """Return the number of values, or a larger one if strings have such characters too."""
    return sum(map(message.count, (b",", b"[", b"{")))
