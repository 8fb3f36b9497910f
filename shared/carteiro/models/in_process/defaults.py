"""What models in this process do where a request says nothing, whatever runs them."""

DEFAULT_OUTPUT_TOKENS = 512
"""Most tokens that are written where neither the request nor the model sets a limit."""
COLD = 1e-3
"""Below this temperature, sampling takes the likeliest token anyway, and its division overflows."""
TOP = 50
"""Among how many of the likeliest tokens is sampled."""
