"""The topics of collections."""

from pathlib import Path

from carteiro.index.collection_source import load_collections
from carteiro.index.topic_specs import collection_topics
from carteiro.wire.topics import Topics


def test_collection_of_a_foreign_topic_needs_only_its_dead_letters(tmp_path: Path) -> None:
    path = tmp_path / "articles.yaml"
    path.write_text("from: shop.articles\nwait: 24h")
    names = Topics()
    topics = collection_topics(load_collections(f"docs,{path}", names), names, partitions=6, replication=3)
    assert [(each.name, each.num_partitions, each.topic_configs) for each in topics] == [
        ("llm.index-docs.documents", 6, {"cleanup.policy": "compact"}),
        ("llm.index-docs.dead", 1, {}),
        ("llm.index-articles.dead", 1, {}),
    ]


def test_own_collection_that_waits_needs_a_topic_of_batches(tmp_path: Path) -> None:
    path = tmp_path / "docs.yaml"
    path.write_text("from: llm.index-docs.documents\nwait: 24h")
    topics = collection_topics(load_collections(str(path), Topics()), Topics(), partitions=6, replication=3)
    assert ("llm.index-docs.batches", 6, {"cleanup.policy": "compact"}) in [
        (each.name, each.num_partitions, each.topic_configs) for each in topics
    ]
