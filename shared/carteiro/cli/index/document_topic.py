"""The topic of a collection, for the commands that send documents."""

from carteiro.cli.exit_codes import EXIT_USAGE, exit_with
from carteiro.cli.kafka import KafkaFailed, KafkaSession
from carteiro.index.collection_source import SERVED_PREFIX, CollectionFileInvalid, load_collections
from carteiro.wire.topics import Topics


def document_topic(collection: str, named: str | None, topics: Topics) -> str:
    """Return the topic of a collection's documents. Exit with an error if it has documents of another topic only."""
    try:
        own = load_collections(collection, topics)
        sources = {source.collection: source for source in load_collections(named, topics)}
    except CollectionFileInvalid as error:
        exit_with(f"--collection: {error}", EXIT_USAGE)
    if [each.collection for each in own] != [collection]:
        exit_with(f"--collection: {collection[:100]!r} is not the name of a collection", EXIT_USAGE)
    if (source := sources.get(collection, own[0])).source != topics.documents(f"{SERVED_PREFIX}{collection}"):
        exit_with(f"--collection: the documents of {collection} come from the topic {source.source}", EXIT_USAGE)
    return source.source


def check_topic_exists(topic: str, collection: str, kafka: KafkaSession) -> None:
    """Raise `KafkaFailed` if the broker has no such topic."""
    if topic not in kafka.existing:
        raise KafkaFailed(
            f"there is no topic {topic}: `CARTEIRO_COLLECTIONS={collection} carteiro topics create`, and then "
            f"`CARTEIRO_COLLECTIONS={collection} carteiro worker index`, or `carteiro up` with it, which does both"
        )
