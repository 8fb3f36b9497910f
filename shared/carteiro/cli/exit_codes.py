"""Exit codes of the command."""

import sys
from typing import NoReturn

EXIT_ERROR_REPLY, EXIT_USAGE, EXIT_KAFKA, EXIT_TIMEOUT = 1, 2, 3, 4
"""Exit codes of `carteiro ask` and `carteiro dead`, so that a shell script can tell the errors apart."""
EXIT_INTERRUPTED = 130


def exit_with(reason: str, code: int = 1) -> NoReturn:
    """Print one line on standard error, and exit with the code."""
    print(f"carteiro: {' '.join(reason.split())}", file=sys.stderr)
    raise SystemExit(code)
