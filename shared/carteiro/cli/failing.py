"""How the command ends when it cannot do what it was asked."""

import sys
from typing import NoReturn


def fail(reason: str, code: int = 1) -> NoReturn:
    """Leave with one line on standard error and the exit code."""
    print(f"carteiro: {' '.join(reason.split())}", file=sys.stderr)
    raise SystemExit(code)
