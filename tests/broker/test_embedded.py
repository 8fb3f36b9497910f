import logging
import os
import signal
import socket
import subprocess
import sys

import pytest
from aiokafka.errors import KafkaError

from carteiro.cli.embedded import EmbeddedBroker, EmbeddedBrokerFailed
from carteiro.worker.delivery.modes import choose
from carteiro.worker.delivery.producers import stop_producer, transactional_producer
from tests.conftest import eventually


def test_a_port_in_use_says_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EmbeddedBrokerFailed, match=f"port {port} cannot be used .*--port"):
            EmbeddedBroker(port).start()


async def test_it_is_gone_when_its_owner_is_killed():
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


async def test_that_it_has_no_transactions_is_told_in_our_words_alone(broker, caplog):
    reached = {"bootstrap_servers": broker.address}
    assert await choose("auto", reached, "probing") == "at_least_once"
    assert [record.name for record in caplog.records if record.levelno >= logging.ERROR] == []
    # Of a lane's own producer it would be news.
    producer = transactional_producer(reached, "probing-0")
    with pytest.raises(KafkaError):
        await producer.start()
    await stop_producer(producer)
    assert any("InitProducerIdRequest" in record.message for record in caplog.records)
