"""Isolation of the commands that run in the tests' own process."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logs_restored() -> Iterator[None]:
    """Undo what a command changes about the logs: most commands silence them."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
