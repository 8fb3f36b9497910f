"""Where the `carteiro` command begins: before anything heavy is imported, so that Ctrl-C is quiet from the start."""

import sys


def main() -> None:
    """Run the command that was typed."""
    try:
        from carteiro.cli.main import run

        run()
    except KeyboardInterrupt:
        sys.exit(130)
