"""`carteiro lag-exporter`: what it exports, and how it ends if it cannot begin."""

import signal
from collections.abc import Iterator

import pytest
from aiokafka.errors import KafkaConnectionError
from prometheus_client import generate_latest

from carteiro.cli import lag_exporter
from carteiro.kafka.connection import KafkaUnusable
from carteiro.settings.kafka import KafkaSettings


@pytest.fixture(autouse=True)
def _signal_handlers_restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def test_gauge_has_the_lag_of_each_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lags(*_: object, **__: object) -> dict[tuple[str, int], int]:
        return {("chat", 0): 3, ("chat", 1): 0}

    monkeypatch.setattr(lag_exporter, "partition_lags", lags)
    await lag_exporter.update_lag(None, None, KafkaSettings())  # type: ignore[arg-type]
    lines = generate_latest(lag_exporter.REGISTRY).decode().splitlines()
    assert 'carteiro_lag{partition="0",task="chat"} 3.0' in lines
    assert 'carteiro_lag{partition="1",task="chat"} 0.0' in lines


@pytest.mark.parametrize(
    ("error", "code"), [(KafkaUnusable("not a broker"), 3), (KafkaConnectionError("not a broker"), 3)]
)
def test_unusable_kafka_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, code: int
) -> None:
    async def failing(_: KafkaSettings) -> None:
        raise error

    monkeypatch.setattr(lag_exporter, "run_exporter", failing)
    with pytest.raises(SystemExit) as caught:
        lag_exporter.lag_exporter()
    assert caught.value.code == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("carteiro: ")
    assert "not a broker" in line


def test_invalid_settings_are_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CARTEIRO_SECURITY_PROTOCOL", "none")
    with pytest.raises(SystemExit) as caught:
        lag_exporter.lag_exporter()
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("carteiro: CARTEIRO_SECURITY_PROTOCOL: ")
