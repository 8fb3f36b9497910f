"""All services in this process, on the embedded broker, with the local provider as their model."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from carteiro.cli.embedded import EmbeddedBroker
from carteiro.client import Carteiro
from carteiro.tasks.discovery import find_tasks
from carteiro.worker.app import worker
from carteiro.worker.worker import Worker
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.conftest import eventually
from tests.provider import Provider


def environment(broker: EmbeddedBroker, provider: Provider) -> dict[str, str]:
    """Return the settings of a worker on the test's broker and provider."""
    settings = {
        "CARTEIRO_BOOTSTRAP_SERVERS": broker.address,
        "CARTEIRO_MODEL": f"{provider.url}#echo",
        "CARTEIRO_EMBED_MODEL": f"{provider.url}#vectors",
        "CARTEIRO_MODEL_TIMEOUT_SECONDS": "5",
    }
    if isinstance(broker, EmbeddedBroker):
        # The embedded broker delays a join by half of this time, and by all of it after a death.
        settings["CARTEIRO_SESSION_TIMEOUT_SECONDS"] = "4"
    return settings


TOOL = {
    "topic": "shop.order-status.requests",
    "replies": "shop.order-status.replies",
    "description": "The state of an order.",
    "parameters": {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]},
}
"""A tool that the services run; `test_served_tools.py` answers its calls."""


# Only this package needs the services. Idle ones take a tenth of a processor, their broker's part included.
@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def services(
    broker: EmbeddedBroker, provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Worker]:
    tools = tmp_path_factory.mktemp("tools") / "tools.yaml"
    tools.write_text(json.dumps({"topics": {"order_status": TOOL}}))
    with pytest.MonkeyPatch.context() as patch:
        # Other tests of this process keep its event loop busy, sometimes for seconds.
        settings = environment(broker, provider) | {"CARTEIRO_SESSION_TIMEOUT_SECONDS": "12"}
        for name, value in (settings | {"CARTEIRO_LOG_LEVEL": "error", "CARTEIRO_TOOLS": str(tools)}).items():
            patch.setenv(name, value)
        app = worker(*find_tasks())
    await app.start()
    await eventually(lambda: app.health.ready)
    yield app
    await app.stop()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def peer(services: Worker, broker: EmbeddedBroker) -> AsyncIterator[RawKafkaClient]:
    async with RawKafkaClient(broker.address, "llm.generate.replies") as running:
        yield running


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def carteiro(services: Worker, broker: EmbeddedBroker) -> AsyncIterator[Carteiro]:
    async with Carteiro(broker.address, timeout=90) as running:
        yield running
