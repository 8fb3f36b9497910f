"""The fixtures of network models: a local provider, and an environment without keys."""

from tests.unit.models.cloud.conftest import _nobodys_environment, provider

__all__ = ["_nobodys_environment", "provider"]
