"""Headers as keyword arguments."""


def named(headers: dict[str, str]) -> dict[str, str]:
    """Underscores in their names stand for hyphens."""
    return {name.replace("_", "-"): value for name, value in headers.items()}
