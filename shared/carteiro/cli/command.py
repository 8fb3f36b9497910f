"""Entry point of the `carteiro` command: it imports nothing heavy, so that Ctrl-C is quiet from the start."""

import os
import signal
import sys

from carteiro.extras import ExtraMissing, needs


def main() -> None:
    """Run the command of the command line."""
    try:
        if sys.argv[1:] == ["healthcheck"]:
            # Typer's imports take ten times as long as the check, which runs every few seconds.
            from carteiro.cli.healthcheck import healthcheck

            healthcheck()
        if os.getpid() == 1:
            # The first process of a container has no default handlers, so it would ignore SIGTERM.
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        if sys.argv[1:2] not in (["up"], ["demo"], ["worker"]):
            # The search for plugins takes pydantic as long as all of its other imports, and no command needs a plugin.
            os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
        needs("the command", "cli", "typer", "rich", "structlog")
        from carteiro.cli.main import run

        run()
    except KeyboardInterrupt:
        sys.exit(130)
    except ExtraMissing as missing:
        sys.exit(f"carteiro: {missing}")
    except ModuleNotFoundError as missing:
        if missing.name in ("carteiro", None) or missing.name.startswith("carteiro."):
            raise
        sys.exit(f"carteiro: this command needs {missing.name}: pip install 'carteiro[cli,embedded,local]'")
