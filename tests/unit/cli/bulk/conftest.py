"""An open job, for the tests of what works on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from carteiro.cli.bulk.job import BulkJob, open_job
from carteiro.cli.request_options import RequestDefaults


@pytest.fixture
def open_lines(tmp_path: Path) -> Any:
    """Return a function that opens the job of these lines, new or begun."""

    @contextmanager
    def open_lines(*lines: str, task: str = "summarize") -> Iterator[BulkJob]:
        (tmp_path / "lines").write_text("\n".join(lines))
        defaults = RequestDefaults(task, {}, {})
        with open_job(defaults, tmp_path / "lines", tmp_path / "replies", f"llm.{task}.replies") as job:
            yield job

    return open_lines
