"""Warnings about environment variables that are no settings."""

import os
import sys

from carteiro.settings.variable_names import find_unknown_variables


def warn_unknown_variables() -> None:
    """Print a line on standard error for each unknown variable whose name resembles a setting's."""
    for line in find_unknown_variables(os.environ):
        print(f"carteiro: warning: {line}", file=sys.stderr)
