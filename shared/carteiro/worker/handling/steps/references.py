"""Replaces the references in a request by their texts, and gives its attachments their content."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from pydantic import TypeAdapter, ValidationError

from carteiro.concurrency.retry import retry_while_away
from carteiro.references.errors import ReferenceRefused, StoreUnavailable, TextUnavailable
from carteiro.schemas import FieldError, OkReply
from carteiro.schemas.attachment import Attachment
from carteiro.schemas.field_errors import field_errors
from carteiro.schemas.large_content import LargeContent, find_content, replace_content
from carteiro.schemas.media_file import MediaInvalid
from carteiro.schemas.request import Text
from carteiro.schemas.text_reference import TextReference
from carteiro.worker.handling.request_context import RequestContext
from carteiro.worker.handling.steps.step import Handle
from carteiro.worker.parsing import RequestRejected, invalid_field

if TYPE_CHECKING:
    from carteiro.references.memory_budget import Reservation
    from carteiro.references.reader import ReferenceReader

T = TypeVar("T")

log = structlog.get_logger("carteiro.worker")

_PATIENCE_SECONDS, _TEXT_PATIENCE_SECONDS = 3600.0, 60.0
"""Time for which a request tries a store again, and one text, if its deadline is not earlier. Then it becomes a dead
letter. The sender may be the cause that one text fails: it must not hold its partition, or another sender's key, for
long.
"""
_MAX_REFERENCES = 100
_text = TypeAdapter[str](Text)


@dataclass(frozen=True, slots=True)
class ResolveReferences:
    """Reads the texts and files that a request refers to. The steps after it see only contents.

    Raises `RequestRejected`, and `StoreUnavailable` if a store stays away.
    """

    reader: "ReferenceReader | None"
    """None if the service reads nothing by reference."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic

    async def __call__(self, context: RequestContext, handle: Handle) -> OkReply[Any]:
        request = context.parsed
        found = [(path, each, _address(each)) for path, each in find_content(request)]
        named = [(path, each, uri) for path, each, uri in found if uri is not None]
        if not named:
            return await handle(context)
        if len(named) > _MAX_REFERENCES:
            reason = f"refers to {len(named):,} texts and files; a request refers to at most {_MAX_REFERENCES}"
            raise invalid_field(FieldError(field="request", reason=reason))
        fields = {uri: _address_field(path, each) for path, each, uri in named}
        files = {uri for _, each, uri in named if isinstance(each, Attachment)}
        if files & {uri for _, each, uri in named if not isinstance(each, Attachment)}:
            reason = "names the same address as a text and as a file"
            raise invalid_field(FieldError(field="request", reason=reason))
        context.activity = "the service was reading a text by reference"
        try:
            contents, reservation = await self._read(Counter(uri for *_, uri in named), files)
        except ReferenceRefused as refused:
            problem = FieldError(field=fields[refused.uri], reason=refused.reason)
            raise _rejection(problem, is_too_large=refused.is_too_large) from None
        with reservation:
            replacements = [(each, await _resolved(each, contents[uri], path)) for path, each, uri in named]
            context.request = replace_content(request, dict(replacements))
            context.activity = "the model was at work"
            return await handle(context)

    async def _read(
        self, uses: Mapping[str, int], files: Collection[str]
    ) -> "tuple[Mapping[str, str | bytes], Reservation]":
        if self.reader is None:
            raise not_permitted(next(iter(uses)))
        return await wait_for_store(partial(self.reader.read, uses, files), self.sleep, self.clock)


def not_permitted(uri: str) -> ReferenceRefused:
    """Return the error of a service that reads nothing by reference."""
    return ReferenceRefused("this service reads nothing by reference (CARTEIRO_REFERENCES)", uri=uri)


async def wait_for_store(
    read: Callable[[], Awaitable[T]],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """Return the result of `read`, which is tried again while the store of its texts is away, but not for ever.

    Raise the errors of `read`, such as `StoreUnavailable` if a store stays away.
    """
    return await retry_while_away(read, StoreUnavailable, _log_away, sleep, patience=_patience, clock=clock)


def _log_away(error: StoreUnavailable) -> None:
    log.warning("a request waits for the store of its text", reason=str(error))


def _patience(error: StoreUnavailable) -> float:
    if isinstance(error, TextUnavailable):
        return 0.0 if error.is_slow else _TEXT_PATIENCE_SECONDS
    return _PATIENCE_SECONDS


def _address(content: LargeContent) -> str | None:
    """Return the address of a content that has to be read."""
    if isinstance(content, str):
        return None
    return content.uri if isinstance(content, TextReference) else content.address


def _address_field(path: str, content: LargeContent) -> str:
    is_image_url = isinstance(content, Attachment) and content.uri is None
    return f"{path}.image_url.url" if is_image_url else f"{path}.uri"


async def _resolved(content: LargeContent, found: str | bytes, path: str) -> LargeContent:
    """Return the content that stands in the place of a reference or an attachment. Raise `RequestRejected`."""
    try:
        if isinstance(content, Attachment) and isinstance(found, bytes):
            return await asyncio.to_thread(content.with_content, found)
        return _text.validate_python(found, strict=True)
    except MediaInvalid as error:
        raise invalid_field(FieldError(field=path, reason=str(error))) from None
    except ValidationError as error:
        raise invalid_field(FieldError(field=path, reason=field_errors(error)[0].reason)) from None


def _rejection(problem: FieldError, *, is_too_large: bool) -> RequestRejected:
    if is_too_large:
        return RequestRejected("too_large", f"{problem.field}: {problem.reason}", [problem])
    return invalid_field(problem)
