"""How the command ends when it cannot do what it was asked."""

import sys
from typing import NoReturn

EXIT_ERROR_REPLY, EXIT_USAGE, EXIT_KAFKA, EXIT_TIMEOUT = 1, 2, 3, 4
"""What `carteiro ask` and `carteiro dead` leave with: a shell script can tell them apart."""
EXIT_INTERRUPTED = 130


def fail(reason: str, code: int = 1) -> NoReturn:
    """Leave with one line on standard error and the exit code."""
    print(f"carteiro: {' '.join(reason.split())}", file=sys.stderr)
    raise SystemExit(code)
