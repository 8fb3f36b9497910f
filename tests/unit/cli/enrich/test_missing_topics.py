from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import ClusterAuthorizationFailedError

from carteiro.cli.enrich.missing_topics import missing_topics
from carteiro.cli.kafka import KafkaSession
from carteiro.enrichment.enrichment_file import parse_enrichment
from carteiro.tasks.topic_specs import JOURNAL_CONFIG
from carteiro.wire.topics import Topics

TEXT = "from: reviews\nto: enriched\nsteps: [{task: generate, request: '{prompt: a}', into: ai.text}]\n"


class Admin:
    """An admin client of a cluster whose topics have 3 partitions, 2 replicas and these settings."""

    def __init__(self, settings: dict[str, str] | None) -> None:
        self._settings = settings

    async def describe_topics(self, topics: list[str]) -> list[dict[str, Any]]:
        return [{"topic": topic, "partitions": [{"replicas": [1, 2]}] * 3} for topic in topics]

    async def describe_configs(self, resources: list[Any]) -> list[Any]:
        if self._settings is None:
            raise ClusterAuthorizationFailedError
        return [
            SimpleNamespace(resources=[(0, None, None, each.name, [*self._settings.items()])]) for each in resources
        ]


async def missing(settings: dict[str, str] | None = None, text: str = TEXT, *existing: str) -> dict[str, Any]:
    file = parse_enrichment(text.encode(), "f", "shop")
    session = KafkaSession({}, Topics(), Admin(settings), frozenset(existing), "none")
    return {each.name: each for each in await missing_topics(session, file)}


async def test_topics_have_the_partitions_and_replicas_of_the_events() -> None:
    topics = await missing({})
    sizes = {name: (each.num_partitions, each.replication_factor, each.topic_configs) for name, each in topics.items()}
    assert sizes == {
        "enriched": (3, 2, {}),
        "llm.enrich-shop.dead": (1, 2, {}),
        "llm.enrich-shop.journal": (3, 2, JOURNAL_CONFIG),
    }


async def test_existing_topics_are_left_out() -> None:
    assert [*await missing({}, TEXT, "reviews", "enriched", "llm.enrich-shop.journal")] == ["llm.enrich-shop.dead"]


@pytest.mark.parametrize(
    ("settings", "copied"),
    [
        ({"cleanup.policy": "compact,delete"}, {"cleanup.policy": "compact,delete"}),
        ({"cleanup.policy": "delete", "max.message.bytes": "1048588"}, {}),
        ({"max.message.bytes": "8000000", "retention.ms": "1"}, {"max.message.bytes": "8000000"}),
        (None, {}),
    ],
)
async def test_enriched_topic_is_compacted_and_takes_large_events_if_the_events_topic_does(
    settings: dict[str, str] | None, copied: dict[str, str]
) -> None:
    assert (await missing(settings))["enriched"].topic_configs == copied


async def test_topic_of_batches_is_compacted_and_in_place_of_the_journal() -> None:
    topics = await missing({}, f"{TEXT}wait: 1h\n")
    assert "llm.enrich-shop.journal" not in topics
    assert topics["llm.enrich-shop.batches"].topic_configs == {"cleanup.policy": "compact"}
