"""Models that tests make once a session."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return `once(make, *given, **options)`: the directory that `make` fills. `make` gets it after `given`."""
    known: dict[Any, Path] = {}

    def made(make: Callable[..., Path], *given: Any, **options: Any) -> Path:
        key = (make, *given, *options.items())
        if key not in known:
            known[key] = make(*given, tmp_path_factory.mktemp(make.__name__), **options)
        return known[key]

    return made
