"""Completions for a shell. Their sources are imported only if a shell asks for them."""


def task_names(incomplete: str) -> list[str]:
    """Return the tasks that begin with `incomplete`."""
    from carteiro.schemas import REQUESTS

    return [name for name in REQUESTS if name.startswith(incomplete)]
