from collections.abc import AsyncIterator

import pytest

from carteiro.registry.client import RegistryClient
from carteiro.registry.settings import RegistrySettings
from tests.registry_server import RegistryServer
from tests.unit.registry.confluent import Confluent


@pytest.fixture
async def server() -> AsyncIterator[RegistryServer]:
    async with RegistryServer() as running:
        yield running


@pytest.fixture
async def client(server: RegistryServer) -> AsyncIterator[RegistryClient]:
    client = RegistryClient(RegistrySettings(url=server.url))
    yield client
    await client.close()


@pytest.fixture
async def confluent(server: RegistryServer) -> AsyncIterator[Confluent]:
    confluent = Confluent(server)
    yield confluent
    await confluent.close()
