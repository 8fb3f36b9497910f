"""Builder of requests: it checks the arguments of a call and makes a request that can be sent."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Generic, TypedDict, TypeVar, Unpack, get_origin

from pydantic import BaseModel, ValidationError

from carteiro.client.errors import RequestInvalid
from carteiro.schemas import FieldError, Options, ReasoningEffort, Request, ServiceTier
from carteiro.schemas.field_errors import field_errors
from carteiro.schemas.field_types import plain_type

ResultT = TypeVar("ResultT", bound=BaseModel)
_SIMILARITY = 0.6
"""Smallest similarity of two keywords, by `difflib`, at which the error suggests the known keyword."""


class RecordOptions(TypedDict, total=False):
    """Keywords of every call that concern its record."""

    key: bytes | str | None
    """Key of the request record; the reply has it too. `chat` keeps the order of requests with the same key."""
    timeout: float | None
    """Seconds to wait for this reply, and the request's deadline. The default is the client's timeout, or `wait` if it
    is given.
    """
    idempotency_key: str | None


class CallOptions(RecordOptions, total=False):
    """Keywords of every task's call, besides the task's own."""

    model: str
    """Model that must answer."""
    temperature: float
    top_p: float
    max_output_tokens: int
    stop: Sequence[str]
    """Texts before which a completion ends; for tasks whose result is text that the model writes."""
    seed: int
    cache: bool
    """True if the cached reply to an equal recent request may be returned."""
    reasoning: bool
    """True if the result should include the model's thinking, if the service shows it; for generate and chat."""
    reasoning_effort: ReasoningEffort
    """Amount of the model's thinking; `none` switches it off."""
    service_tier: ServiceTier
    """Tier of the provider that must serve the calls; by default the deadline chooses it."""
    prompt_cache_key: str
    """The same text for requests that begin alike."""
    wait: str
    """Longest time that the reply may take, such as `24h` or `30m`. The service may then do the work later, at a lower
    price.
    """


_RECORD_KEYWORDS = frozenset(RecordOptions.__optional_keys__)
_MODEL_KEYWORDS = frozenset(CallOptions.__optional_keys__) - _RECORD_KEYWORDS


@dataclass(frozen=True, slots=True)
class PreparedRequest(Generic[ResultT]):
    """A request, and the options of its record. `timeout` is in seconds."""

    request: Request[ResultT]
    key: bytes | None = None
    timeout: float | None = None
    idempotency_key: str | None = None

    def with_streaming(self) -> "PreparedRequest[ResultT]":
        """Return the call with `options.stream`. Raise `RequestInvalid` if its request can't stream."""
        try:
            options = Options(**self.request.options.model_dump(exclude_unset=True) | {"stream": True})
        except ValidationError as error:
            raise _request_invalid(error) from None
        request = self.request.model_copy(update={"options": options})
        return PreparedRequest(request, self.key, self.timeout, self.idempotency_key)


def ask(request: Request[ResultT], **call: Unpack[RecordOptions]) -> PreparedRequest[ResultT]:
    """Send a request of any task, made with the classes of `carteiro.schemas`.

    A request with a `conversation_id` has that id as its key, unless `key` is given. The reply to a request with
    `options.wait` is awaited for that time and one more minute, unless `timeout` is given. Raise `RequestInvalid` for
    an invalid value, and `TypeError` for an unknown keyword.
    """
    if not isinstance(request, Request):
        raise TypeError(
            f"ask() takes a request of carteiro.schemas, such as SummarizeRequest, not {type(request).__name__}"
        )
    _check_keywords("ask", call, _RECORD_KEYWORDS)
    key, timeout, idempotency_key = call.get("key"), call.get("timeout"), call.get("idempotency_key")
    _check_type("key", key, (bytes, str), "must be bytes or a text")
    _check_type("idempotency_key", idempotency_key, (str,), "must be a text")
    _check_type("timeout", timeout, (int, float), "must be a number of seconds")
    if timeout is not None and not 0 < timeout < float("inf"):
        raise RequestInvalid([FieldError(field="timeout", reason="must be more than 0 seconds")])
    if key is None:
        key = getattr(request, "conversation_id", None)
    return PreparedRequest(request, key.encode() if isinstance(key, str) else key, timeout, idempotency_key)


def build_request(
    request: type[Request[ResultT]], call: CallOptions, fields: Mapping[str, object]
) -> PreparedRequest[ResultT]:
    """Return a task's request with the given fields and options. A field that is None is left out.

    A plain text stands for what the request makes of it, a single item for a list of one, and any sequence for a list.
    Raise `RequestInvalid` for an invalid value, and `TypeError` for an unknown keyword.
    """
    _check_keywords(request.task, call, _RECORD_KEYWORDS | _MODEL_KEYWORDS | fields.keys())
    given: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, str) and name == request.text_field:
            given |= request.from_text(value)
        elif value is not None:
            given[name] = _as_list(value) if name in _list_fields(request) else value
    options = {name: value for name, value in call.items() if name in _MODEL_KEYWORDS and value is not None}
    if "stop" in options:
        options["stop"] = _as_list(options["stop"])
    if options:
        given["options"] = options
    record: RecordOptions = {name: value for name, value in call.items() if name in _RECORD_KEYWORDS}  # type: ignore[assignment]
    try:
        return ask(request(**given), **record)
    except ValidationError as error:
        raise _request_invalid(error) from None


@functools.cache
def _list_fields(request: type[Request[Any]]) -> frozenset[str]:
    kinds = {name: plain_type(info.annotation) for name, info in request.model_fields.items()}
    return frozenset(name for name, kind in kinds.items() if get_origin(kind) is list)


def _as_list(value: object) -> object:
    """Return a single item as a list of one. A text is also a sequence of characters, which is never intended here."""
    if isinstance(value, str | dict | BaseModel):
        return [value]
    return list(value) if isinstance(value, Sequence) else value


def check_keyword(method: str, name: str, valid: Iterable[str]) -> None:
    """Raise a `TypeError` that names the nearest valid keyword, unless `name` is valid."""
    names = sorted(valid)
    if name in names:
        return
    near = get_close_matches(name, names, 1, _SIMILARITY)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise TypeError(f"{method}() has no keyword {name!r}; {hint}It takes {', '.join(names)}".replace("; It", "; it"))


def _check_keywords(method: str, given: Iterable[str], valid: Iterable[str]) -> None:
    for name in given:
        if name == "stream":
            raise TypeError(
                f"{method}() has no keyword 'stream'; stream.{method}() of the client gives the reply's chunks"
            )
        check_keyword(method, name, valid)


def _request_invalid(error: ValidationError) -> RequestInvalid:
    # A keyword of the call is a field of `options` in the request.
    return RequestInvalid(
        [FieldError(field=each.field.removeprefix("options."), reason=each.reason) for each in field_errors(error)]
    )


def _check_type(name: str, value: object, kinds: tuple[type, ...], reason: str) -> None:
    if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
        raise RequestInvalid([FieldError(field=name, reason=reason)])
