"""What a provider says about a batch (https://platform.openai.com/docs/api-reference/batch/object)."""

import re
from typing import Any, get_args

from pydantic import ValidationError

from carteiro.models.cloud.batches.interface import Batch, Status
from carteiro.models.cloud.errors import shortened
from carteiro.models.cloud.parts import Part

NAME_KEY = "carteiro"
"""The batch's name stands in its metadata under this key."""
_OWNERS = re.compile(r"\b(org|proj|user)[-_][A-Za-z0-9_-]+")
"""Whose account it is is nothing for a message."""


def described(answer: Any) -> Batch:
    """The batch. Raises pydantic's `ValidationError` for what is none."""
    read = _Batch.model_validate(answer)
    status = read.status.lower()  # Azure also writes `Validating`
    named = read.metadata.get(NAME_KEY) if isinstance(read.metadata, dict) else None
    failed = status == "failed"
    error = _first(read.errors) if failed else None
    return Batch(
        id=read.id,
        name=named if isinstance(named, str) else None,
        input_file=read.input_file_id or "",
        status=next((each for each in get_args(Status) if each == status), "running"),
        outputs=tuple(file for file in (read.output_file_id, read.error_file_id) if file),
        problem=_problem(error) if failed else None,
        code=error.code if error else None,
    )


def _first(errors: Any) -> "_Error | None":
    """The first error there is. What is no error must not hide the batch."""
    try:
        return _Errors.model_validate(errors).data[0]
    except (ValidationError, IndexError):
        return None


def _problem(error: "_Error | None") -> str:
    if error is None or not (error.message or error.code):
        return "the provider gives no reason"
    text = shortened(_OWNERS.sub("…", error.message or error.code or ""))
    return f"line {error.line}: {text}" if error.line is not None else text


class _Error(Part):
    code: str | None = None
    message: str | None = None
    line: int | None = None


class _Errors(Part):
    data: list[_Error]


class _Batch(Part):
    id: str
    status: str
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    metadata: Any = None
    errors: Any = None
