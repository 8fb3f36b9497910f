"""A batch that fails is tried again as two halves, and these as halves of theirs.

There was too much at once for the memory, or one row spoils it for all. Halves find either out in few steps: among 64
rows one is found by twelve more batches, and all others have their outputs.
"""

from collections.abc import Sequence
from typing import TypeVar

import structlog

from carteiro.models.failures import ModelFailure
from carteiro.models.in_process.reasons import out_of_memory, too_little_memory

T = TypeVar("T")

log = structlog.get_logger("carteiro.models")


def halves(name: str, rows: Sequence[T], error: BaseException) -> tuple[Sequence[T], Sequence[T]]:
    """The two batches to try instead of one of two rows or more; the log gets the reason."""
    # What a library says of an error may quote the prompt.
    reason = error.message if isinstance(error, ModelFailure) else type(error).__name__
    log.warning("a batch failed; its halves are tried", model=name, rows=len(rows), reason=reason)
    middle = len(rows) // 2
    return rows[:middle], rows[middle:]


def failure_alone(name: str, error: Exception) -> Exception:
    """What a row is told that failed with nothing beside it."""
    return too_little_memory(name) if out_of_memory(error) else error
