"""Local provider for tests: a real HTTP server that speaks the OpenAI API, including its faults."""

from tests.provider.batches import BatchEndpoints
from tests.provider.faults import FAULTS
from tests.provider.identity import TokenService
from tests.provider.scripted_provider import ScriptedProvider
from tests.provider.server import Provider, Received

__all__ = ["FAULTS", "BatchEndpoints", "Provider", "Received", "ScriptedProvider", "TokenService"]
