"""Defaults of generation for models in this process, the same for all engines."""

DEFAULT_OUTPUT_TOKENS = 512
"""Maximum output tokens if neither the request nor the model sets a limit."""
SMALL_OUTPUT_TOKENS = 128
"""Maximum output tokens of a small model, whose longer texts lose quality; JSON by a schema may be longer."""
GREEDY_TEMPERATURE = 1e-3
"""Temperature up to which decoding is greedy: sampling would take the likeliest token, and its division overflows."""
TOP_K = 50
"""Number of likeliest tokens to sample from."""


def is_sampled(temperature: float | None) -> bool:
    """Return True if tokens are sampled at this temperature. None is greedy."""
    return temperature is not None and temperature > GREEDY_TEMPERATURE
