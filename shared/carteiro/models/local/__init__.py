"""Models that run in this process through Transformers on PyTorch, and the packaged translator."""

import carteiro.models.in_process  # noqa: F401  # it settles how PyTorch's threads wait, before PyTorch is loaded
