"""The ends of a command that uses Kafka: one line, and an exit code for the kind of error."""

import logging
from typing import NoReturn

import pytest
from aiokafka.errors import TopicAuthorizationFailedError

from carteiro.cli import kafka
from carteiro.cli.kafka import KafkaFailed, KafkaSession, read_kafka_settings, silence_worker_logs, with_kafka
from carteiro.kafka.connection import KafkaUnusable
from carteiro.settings.environment import SettingsInvalid
from carteiro.settings.kafka import KafkaSettings


async def nothing(_: KafkaSession) -> None:
    pass


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (SettingsInvalid("CARTEIRO_SSL_CA_LOCATION: no such file"), 2, "CARTEIRO_SSL_CA_LOCATION: no such file"),
        (KafkaUnusable("not a broker"), 3, "not a broker"),
        (KafkaFailed("the topic is gone"), 3, "the topic is gone"),
        (TopicAuthorizationFailedError("t"), 3, "Kafka at localhost:9092 rejected the command: "),
    ],
)
def test_error_is_one_line_with_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, code: int, line: str
) -> None:
    async def fail(*_: object, **__: object) -> NoReturn:
        raise error

    monkeypatch.setattr(kafka, "_run_connected", fail)
    with pytest.raises(SystemExit) as caught:
        with_kafka(KafkaSettings(bootstrap_servers="localhost:9092"), nothing)
    assert caught.value.code == code
    assert capsys.readouterr().err.startswith(f"carteiro: {line}")


def test_address_without_a_broker_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        with_kafka(KafkaSettings(bootstrap_servers="127.0.0.1:9"), nothing)
    assert caught.value.code == 3
    assert "no Kafka broker answers at 127.0.0.1:9" in capsys.readouterr().err


def test_pool_of_connections_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    silence_worker_logs()
    logging.getLogger("psycopg.pool").error("error connecting in 'pool-1'")
    assert caplog.messages == []


def test_invalid_setting_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CARTEIRO_BOOTSTRAP_SERVERS", "localhost")
    with pytest.raises(SystemExit) as caught:
        read_kafka_settings()
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("carteiro: CARTEIRO_BOOTSTRAP_SERVERS: ")
