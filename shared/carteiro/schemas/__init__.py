"""Schemas of the messages: the reply, and in a module for each task its request and result. They need only pydantic."""

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from carteiro.schemas.attachment import Attachment
from carteiro.schemas.reply import (
    ERROR_CODES,
    ErrorCode,
    ErrorDetail,
    ErrorReply,
    FieldError,
    FinishReason,
    OkReply,
    PartialReply,
    Result,
    ServiceTier,
    StoredReply,
    StoredResult,
    Timing,
    Usage,
    reply_type,
)
from carteiro.schemas.request import Options, ReasoningEffort, Request
from carteiro.schemas.text_reference import TextReference


def _find_requests() -> dict[str, type[Request[Any]]]:
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    classes = [each for module in modules for each in vars(module).values() if isinstance(each, type)]
    found = {each.task: each for each in classes if issubclass(each, Request) and "task" in vars(each)}
    return dict(sorted(found.items()))


REQUESTS = _find_requests()
"""The request class of each task, by the task's name. Any module of this package may define one."""

__all__ = [
    "ERROR_CODES",
    "REQUESTS",
    "Attachment",
    "ErrorCode",
    "ErrorDetail",
    "ErrorReply",
    "FieldError",
    "FinishReason",
    "OkReply",
    "Options",
    "PartialReply",
    "ReasoningEffort",
    "Request",
    "Result",
    "ServiceTier",
    "StoredReply",
    "StoredResult",
    "TextReference",
    "Timing",
    "Usage",
    "reply_type",
]
