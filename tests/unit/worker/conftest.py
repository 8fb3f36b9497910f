"""Fixtures for tests with failing models."""

import pytest

from carteiro.worker.model_calls import circuit_breaker, retry


@pytest.fixture
def no_pauses(monkeypatch):
    """Let tries follow each other at once."""
    for module in (circuit_breaker, retry):
        monkeypatch.setattr(module, "_FIRST_PAUSE", 0.001)
        monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.01)
