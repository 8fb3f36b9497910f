"""The body of an answer: bounded, read as JSON even if a strict parser rejects it, and searched for an error."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2

from carteiro.models.cloud.error_body import parse_json_or_repr
from carteiro.text.surrogates import repair_unicode

MAX_BODY_BYTES = 64 * 2**20
"""Maximum bytes of one answer, complete or streamed."""
_MAX_DIGITS = 300
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_ANSWER_FIELDS = ("choices", "output", "candidates")
_FLAT_MESSAGE_FIELDS = ("message", "msg", "error_msg", "Message")


class BodyTooLarge(ValueError):
    """An answer, or an event of one, is larger than the limit. `limit` is in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"is larger than {limit // 2**20} MiB")


class IncompleteBody(Exception):
    """The connection broke before the answer was complete, or its bytes cannot be decompressed."""


def read_headers(response: httpx2.Response) -> dict[str, str]:
    """Return the headers, with names in lower case."""
    return dict(response.headers.items())  # `dict(response.headers)` searches all headers once for each of them


async def iter_chunks(response: httpx2.Response) -> AsyncIterator[bytes]:
    """Yield the body's bytes as they arrive. Raise `BodyTooLarge` or `IncompleteBody`."""
    size = 0
    body = response.aiter_bytes()
    while True:
        try:
            chunk = await anext(body, None)
        except Exception as error:
            # The SDK's transport lets errors of aiohttp and others through.
            raise IncompleteBody from error
        if chunk is None:
            return
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise BodyTooLarge(MAX_BODY_BYTES)
        yield chunk


async def read_body(response: httpx2.Response) -> bytes:
    """Return the complete body, also if the connection breaks after the end of its JSON object.

    Raise `BodyTooLarge` or `IncompleteBody`.
    """
    read: list[bytes] = []
    try:
        async for chunk in iter_chunks(response):
            read.append(chunk)  # noqa: PERF401 - a comprehension would lose what came before the break
    except IncompleteBody:
        if not _is_object(b"".join(read)):
            raise
    finally:
        await response.aclose()
    return b"".join(read)


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(parse_lenient_json(body.decode(errors="surrogateescape")), dict)
    except ValueError:
        return False


def parse_lenient_json(text: str) -> Any:
    """Return the JSON in a text. Accept a byte order mark, control characters in strings, NaN, and halves of
    characters.

    Raise `ValueError` if the text is not JSON.
    """
    try:
        return json.loads(text.lstrip("\ufeff \t\r\n"), strict=False, parse_int=_integer)
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def parse_complete_json(text: str) -> Any:
    """Return the JSON in a text that is a whole answer, as `parse_lenient_json` does, without halves of characters.

    An event of a stream may end within a character, an answer may not.
    """
    data = parse_lenient_json(text)
    if _ESCAPED_HALF.search(text):
        return parse_lenient_json(repair_unicode(json.dumps(data, ensure_ascii=False)))
    return data


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < _MAX_DIGITS else float(digits)


def find_error(answer: Any) -> Any:
    """Return the part of an answer or event with status 200 that is an error; None if there is no error."""
    if isinstance(answer, str) and answer.lstrip().startswith("{"):
        answer = parse_json_or_repr(answer)
    if isinstance(answer, list) and answer:
        answer = answer[0]
    if (
        isinstance(answer, dict)
        and answer.get("type") == "response.failed"
        and isinstance(answer.get("response"), dict)
    ):
        answer = answer["response"]
    if not isinstance(answer, dict):
        return None
    choice = _first_choice(answer.get("choices"))
    if _is_not_empty(answer.get("error")):
        return None if _is_answered(choice) else answer
    if _is_not_empty(choice.get("error")):
        return choice
    return None if any(answer.get(name) for name in _ANSWER_FIELDS) or not _is_flat_error(answer) else answer


def _is_flat_error(answer: Mapping[str, Any]) -> bool:
    """Return True if an object without an answer reports an error, without a field `error`."""
    base = answer.get("base_resp")
    if isinstance(base, dict) and base.get("status_code") not in (0, "0", None):
        return True
    if "error" in (answer.get("object"), answer.get("type")) or answer.get("success") is False:
        return True
    has_error_field = any(_is_not_empty(answer.get(name)) for name in ("errors", "detail"))
    return has_error_field or any(isinstance(answer.get(name), str) and answer[name] for name in _FLAT_MESSAGE_FIELDS)


def _first_choice(choices: Any) -> Mapping[str, Any]:
    choice = choices[0] if isinstance(choices, list) and choices else None
    return choice if isinstance(choice, dict) else {}


def _is_not_empty(error: Any) -> bool:
    return any(map(bool, error.values())) if isinstance(error, dict) else bool(error)


def _is_answered(choice: Mapping[str, Any]) -> bool:
    message = choice.get("message")
    return (
        isinstance(message, dict)
        and bool(message.get("content"))
        and choice.get("finish_reason") not in (None, "error")
    )
