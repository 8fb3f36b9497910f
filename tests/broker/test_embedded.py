import logging
import os
import signal
import socket
import subprocess
import sys

import pytest
from aiokafka.errors import KafkaError

from carteiro.cli.embedded import EmbeddedBroker, EmbeddedBrokerFailed
from carteiro.kafka.guarantee import select_guarantee
from carteiro.kafka.producers import stop_producer, transactional_producer
from tests.conftest import eventually


def test_port_in_use_names_the_option():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EmbeddedBrokerFailed, match=f"port {port} cannot be used .*--port"):
            EmbeddedBroker(port).start()


async def test_broker_ends_when_its_owner_is_killed():
    code = (
        "import time; from carteiro.cli.embedded import EmbeddedBroker; "
        "broker = EmbeddedBroker(); broker.start(); print(broker.address, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    host, _, port = owner.stdout.readline().strip().rpartition(":")
    socket.create_connection((host, int(port)), 5).close()
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()

    def gone() -> bool:
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            return True
        return False

    await eventually(gone)


async def test_missing_transactions_are_logged_only_in_our_own_words(broker, caplog):
    reached = {"bootstrap_servers": broker.address}
    assert await select_guarantee("auto", reached, "probing") == "at_least_once"
    # Other clients in this process may log errors of their own.
    errors = [record.message for record in caplog.records if record.levelno >= logging.ERROR]
    assert not [message for message in errors if "InitProducerId" in message or "probing" in message]
    # An error of a lane's own producer would be logged.
    producer = transactional_producer(reached, "probing-0")
    with pytest.raises(KafkaError):
        await producer.start()
    await stop_producer(producer)
    assert any("InitProducerIdRequest" in record.message for record in caplog.records)


def test_no_file_is_left_on_the_disk(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "home").mkdir()
    (tmp_path / "temporary").mkdir()
    # As installed, and as in a folder whose programs cannot be run.
    for runnable in (True, False):
        monkeypatch.setattr("os.access", lambda *_, runnable=runnable: runnable)
        with EmbeddedBroker() as broker:
            host, _, port = broker.address.rpartition(":")
            socket.create_connection((host, int(port)), 5).close()
        assert list(tmp_path.glob("*/*")) == []
