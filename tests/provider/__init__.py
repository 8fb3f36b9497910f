"""A local provider: a real HTTP server that plays one which speaks the OpenAI API, its faults included."""

from tests.provider.batches import Batches
from tests.provider.faults import FAULTS
from tests.provider.identity import TokenService
from tests.provider.scripted import ScriptedProvider
from tests.provider.server import Provider, Received

__all__ = ["FAULTS", "Batches", "Provider", "Received", "ScriptedProvider", "TokenService"]
