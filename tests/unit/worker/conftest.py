"""What tests of failing models share."""

import pytest

from carteiro.worker.asking import parking, retrying


@pytest.fixture
def no_pauses(monkeypatch):
    """Tries follow each other at once."""
    for module in (parking, retrying):
        monkeypatch.setattr(module, "_FIRST_PAUSE", 0.001)
        monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.01)
