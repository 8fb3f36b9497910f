"""Where the `carteiro` command begins: before anything heavy is imported, so that Ctrl-C is quiet from the start."""

import sys

from carteiro.extras import ExtraMissing, needs


def main() -> None:
    """Run the command that was typed."""
    try:
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
