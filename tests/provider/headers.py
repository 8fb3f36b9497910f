"""Headers as keyword arguments."""


def header_names(headers: dict[str, str]) -> dict[str, str]:
    """Return the headers with hyphens instead of underscores in their names."""
    return {name.replace("_", "-"): value for name, value in headers.items()}
