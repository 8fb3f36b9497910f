"""The exit codes of a worker."""

import sys
from typing import NoReturn

EXIT_OTHER, EXIT_SETTINGS, EXIT_MODEL, EXIT_KAFKA, EXIT_PORT = 1, 2, 3, 4, 5
"""Exit codes of a worker; 0 is a clean stop."""


def exit_with(code: int, lines: str) -> NoReturn:
    """Print lines on stderr, and raise `SystemExit` with the exit code."""
    for line in lines.splitlines():
        print(f"carteiro: {line}", file=sys.stderr)  # noqa: T201  # logs may not be configured yet
    raise SystemExit(code)
