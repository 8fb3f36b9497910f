"""Numbers of things in words."""


def pluralise(number: int, singular: str, plural: str = "") -> str:
    """Return a number and its noun, as `1 document` and `2,000 documents`. The plural ends in `s` by default."""
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"
