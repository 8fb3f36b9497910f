"""Apache Kafka in a container, on a port of this machine."""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator

import pytest
from docker import from_env
from docker.errors import APIError, DockerException
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from carteiro.kafka.connection import probe_connection
from tests.conftest import eventually_true
from tests.provider import ScriptedProvider

# Its reaper is one more image to pull. The fixtures below stop the containers that they start.
testcontainers_config.ryuk_disabled = True

IMAGE = "apache/kafka:4.3.1"
_ENGINE = pytest.StashKey[bool]()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class ApacheKafka(DockerContainer):
    """A broker of one node, reached from outside at `address`."""

    def __init__(self) -> None:
        super().__init__(IMAGE)
        # A broker that lives for minutes spends more on compiling its code well than it gains by it.
        self.with_env("KAFKA_OPTS", "-XX:TieredStopAtLevel=1 -XX:-UseG1GC -XX:+UseSerialGC")
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        self.with_bind_ports(9092, port)
        for name, value in {
            "NODE_ID": "1",
            "PROCESS_ROLES": "broker,controller",
            "LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093,INTERNAL://:9094",
            # For transactions the broker connects to itself. Inside, it is not at the clients' address.
            "ADVERTISED_LISTENERS": f"PLAINTEXT://{self.address},INTERNAL://localhost:9094",
            "INTER_BROKER_LISTENER_NAME": "INTERNAL",
            "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT",
            "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "TRANSACTION_STATE_LOG_MIN_ISR": "1",
            "SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
            "SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
            "GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
            "GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
            # Its threads, a hundred by default, wake several times a second each.
            "NUM_IO_THREADS": "2",
            "NUM_NETWORK_THREADS": "2",
            "BACKGROUND_THREADS": "2",
            "NUM_PARTITIONS": "3",
            # A paused broker is not to be fenced by its own controller: then no partition has a leader for a moment. If
            # Kafka 4.3.1 aborts a transaction in that moment, it takes the partitions for deleted and skips markers,
            # so the next transaction commits the records. With several replicas another broker would lead.
            "BROKER_SESSION_TIMEOUT_MS": "180000",
        }.items():
            self.with_env(f"KAFKA_{name}", value)

    async def pause(self) -> None:
        """Stop the broker's processes. A machine that is busy does not stop all of them in the engine's time."""

        def is_paused() -> bool:
            try:
                self.get_wrapped_container().pause()
            except APIError as error:
                if "freeze" not in str(error):
                    raise
                return False
            return True

        await eventually_true(lambda: asyncio.to_thread(is_paused))

    async def answers(self) -> bool:
        return await probe_connection({"bootstrap_servers": [self.address], "security_protocol": "PLAINTEXT"}) is None


@pytest.fixture(scope="session")
def docker(pytestconfig: pytest.Config) -> None:
    try:
        from_env().ping()
    except DockerException as error:
        pytest.skip(f"no Docker engine: {error}")
    pytestconfig.stash[_ENGINE] = True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Report the sizes of the images, if there are any. A test's own output is shown only if it fails."""
    if _ENGINE in config.stash and shutil.which("docker"):
        columns = "{{.Repository}}:{{.Tag}}  {{.Size}}  built {{.CreatedSince}}"
        command = ["docker", "image", "ls", "--format", columns, "carteiro"]
        if images := subprocess.run(command, capture_output=True, text=True).stdout.strip():
            terminalreporter.section("images")
            terminalreporter.write_line(images)


@pytest.fixture(scope="package")  # the tests that follow have its processor and memory
def kafka_container(docker) -> Iterator[ApacheKafka]:
    with ApacheKafka() as running:
        yield running


@pytest.fixture
async def kafka(kafka_container: ApacheKafka) -> ApacheKafka:
    await eventually_true(kafka_container.answers)
    return kafka_container


@pytest.fixture
async def model() -> AsyncIterator[ScriptedProvider]:
    """Return the model of a test's workers, with its call counts reset."""
    async with ScriptedProvider() as running:
        yield running
