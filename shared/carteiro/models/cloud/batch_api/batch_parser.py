"""Parser of a provider's batch object (https://platform.openai.com/docs/api-reference/batch/object)."""

import re
from typing import Any, get_args

from pydantic import ValidationError

from carteiro.models.cloud.batch_api.interface import BatchStatus, ProviderBatch
from carteiro.models.cloud.completion_builder import ResponsePart
from carteiro.models.cloud.errors import shorten

NAME_KEY = "carteiro"
"""Key in the metadata of a batch that holds its name."""
_ACCOUNT_IDS = re.compile(r"\b(org|proj|user)[-_][A-Za-z0-9_-]+")
"""Identifiers of an account, which do not belong in a message."""


def parse_batch(answer: Any) -> ProviderBatch:
    """Parse a batch. Raise pydantic's `ValidationError` if `answer` is not a batch object."""
    read = _BatchObject.model_validate(answer)
    status = read.status.lower()  # Azure also writes `Validating`.
    named = read.metadata.get(NAME_KEY) if isinstance(read.metadata, dict) else None
    failed = status == "failed"
    error = _first_error(read.errors) if failed else None
    return ProviderBatch(
        id=read.id,
        name=named if isinstance(named, str) else None,
        input_file=read.input_file_id or "",
        status=next((each for each in get_args(BatchStatus) if each == status), "running"),
        output_files=tuple(file for file in (read.output_file_id, read.error_file_id) if file),
        error_message=_error_text(error) if failed else None,
        error_code=error.code if error else None,
    )


def _first_error(errors: Any) -> "_BatchError | None":
    """Return the first error, or None. Errors in an unknown form must not hide the batch."""
    try:
        return _BatchErrors.model_validate(errors).data[0]
    except (ValidationError, IndexError):
        return None


def _error_text(error: "_BatchError | None") -> str:
    if error is None or not (error.message or error.code):
        return "the provider gives no reason"
    text = shorten(_ACCOUNT_IDS.sub("…", error.message or error.code or ""))
    return f"line {error.line}: {text}" if error.line is not None else text


class _BatchError(ResponsePart):
    code: str | None = None
    message: str | None = None
    line: int | None = None


class _BatchErrors(ResponsePart):
    data: list[_BatchError]


class _BatchObject(ResponsePart):
    id: str
    status: str
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    metadata: Any = None
    errors: Any = None
