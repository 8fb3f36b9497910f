"""The checks of topics, on the settings that a test gives."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import ClusterAuthorizationFailedError

from carteiro.cli.doctor.broker_checks import check_topics

MAX_BYTES = 1_000_000


class Admin:
    """An admin client of a cluster in which every topic has these settings and replicas."""

    def __init__(self, settings: dict[str, str], replicas: int = 3, in_sync: int = 3) -> None:
        self._settings = settings
        self._partition = {"replicas": list(range(replicas)), "isr": list(range(in_sync))}

    async def describe_topics(self, topics: list[str]) -> list[dict[str, Any]]:
        return [{"topic": topic, "partitions": [self._partition]} for topic in topics]

    async def describe_configs(self, resources: list[Any]) -> list[Any]:
        entries = [*self._settings.items()]
        return [SimpleNamespace(resources=[(0, None, None, each.name, entries)]) for each in resources]


@pytest.mark.parametrize(
    ("admin", "message"),
    [
        (Admin({"min.insync.replicas": "2"}, replicas=1), "min.insync.replicas is 2, and the topic has 1 replica:"),
        (Admin({"min.insync.replicas": "2"}, in_sync=1), "1 of 3 replicas are in sync"),
        (Admin({"max.message.bytes": "1000"}), "max.message.bytes is 1000: larger records are refused"),
        (Admin({"cleanup.policy": "compact,delete"}), "it is compacted: it takes no record without a key"),
    ],
)
async def test_setting_that_stops_replies_is_a_warning_with_advice(admin: Admin, message: str) -> None:
    (finding,) = await check_topics(admin, ["llm.chat.replies"], MAX_BYTES)
    assert (finding.what, finding.verdict) == ("topic llm.chat.replies", "warning")
    assert finding.message.startswith(message)
    assert finding.advice


async def test_good_settings_are_no_finding() -> None:
    good = Admin({"min.insync.replicas": "2", "max.message.bytes": "1048588", "cleanup.policy": "delete"})
    assert await check_topics(good, ["llm.chat.replies"], MAX_BYTES) == []


async def test_small_records_are_no_finding_for_a_topic_that_only_callers_write_to() -> None:
    assert await check_topics(Admin({"max.message.bytes": "1000"}), ["llm.chat.requests"], MAX_BYTES) == []


async def test_settings_that_may_not_be_read_are_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_: object) -> None:
        raise ClusterAuthorizationFailedError

    admin = Admin({})
    monkeypatch.setattr(admin, "describe_configs", refuse)
    assert await check_topics(admin, ["llm.chat.replies"], MAX_BYTES) == []
