"""The wait for a broker, whose probes are given."""

import pytest

from carteiro.kafka import connection
from carteiro.kafka.connection import KafkaUnusable, wait_for_kafka

OPTIONS = {"bootstrap_servers": ["kafka:9092"]}


async def wait(monkeypatch: pytest.MonkeyPatch, found: list[Exception | None]) -> list[float]:
    """Wait for a broker whose probes find these reasons, the last one again and again. Return the pauses."""
    probes, pauses = iter(found), list[float]()

    async def probe(_options: object) -> Exception | None:
        return next(probes, found[-1])

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(connection, "probe_connection", probe)
    await wait_for_kafka(OPTIONS, sleep)
    return pauses


async def test_pauses_grow_to_ten_seconds_and_have_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = await wait(monkeypatch, [OSError("refused")] * 200 + [None])
    limits = [0.5, 1, 2, 4, 8] + [10] * 195
    assert all(limit / 2 <= pause <= limit for pause, limit in zip(pauses, limits, strict=True))
    assert len(set(pauses[5:])) > 1


async def test_server_that_is_no_broker_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KafkaUnusable, match="no broker"):
        await wait(monkeypatch, [KafkaUnusable("no broker")])


async def test_server_that_is_no_broker_for_a_moment_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons: list[Exception | None] = [KafkaUnusable("no broker")] * 13
    assert len(await wait(monkeypatch, [*reasons, OSError("refused"), *reasons, None])) == 27
