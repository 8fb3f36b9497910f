"""Bisection of a failed batch: it is retried as two halves, recursively.

A batch fails if it needs too much memory, or if one row is faulty. Bisection handles both in few steps: it isolates one
faulty row among 64 with twelve more batches, and all other rows get their outputs.
"""

from collections.abc import Sequence
from typing import TypeVar

import structlog

from carteiro.models.errors import ModelError
from carteiro.models.local.inference.error_messages import is_out_of_memory, out_of_memory_error

T = TypeVar("T")

log = structlog.get_logger("carteiro.models")


def split_batch(name: str, rows: Sequence[T], error: BaseException) -> tuple[Sequence[T], Sequence[T]]:
    """Return the two halves of a failed batch of at least two rows, and log the error."""
    # The message of a library may quote the prompt, and prompts are never logged.
    reason = error.message if isinstance(error, ModelError) else type(error).__name__
    log.warning("a batch failed and is split in two", model=name, rows=len(rows), reason=reason)
    middle = len(rows) // 2
    return rows[:middle], rows[middle:]


def single_item_error(name: str, error: Exception) -> Exception:
    """Return the error of a row that failed in a batch of its own."""
    return out_of_memory_error(name) if is_out_of_memory(error) else error
