"""`carteiro index remove`."""

from collections.abc import Sequence

from carteiro.cli.exit_codes import EXIT_USAGE, exit_with
from carteiro.cli.index.document_topic import check_topic_exists, document_topic
from carteiro.cli.index.store_access import load_worker_settings
from carteiro.cli.json_lines import print_json
from carteiro.cli.kafka import KafkaSession, silence_worker_logs, with_kafka
from carteiro.cli.plural import pluralise
from carteiro.cli.terminal_escape import escape
from carteiro.kafka.producers import acknowledged_producer
from carteiro.retrieval.document import check_key
from carteiro.retrieval.errors import DocumentInvalid


def remove_documents(keys: Sequence[str], collection: str, *, as_json: bool) -> None:
    """Send a record without a value for each key, which deletes the document.

    Exit with an error, and send nothing, if no document can have one of the keys.
    """
    silence_worker_logs()
    for key in keys:
        try:
            check_key(key)
        except DocumentInvalid as error:
            exit_with(f"{escape(key[:100])}: no document has this key: {error}", EXIT_USAGE)
    settings = load_worker_settings()
    topic = document_topic(collection, settings.collections, settings.topics)

    async def send(kafka: KafkaSession) -> None:
        check_topic_exists(topic, collection, kafka)
        max_bytes = settings.max_produce_bytes
        producer = acknowledged_producer(kafka.options, max_produce_bytes=max_bytes, compression=kafka.compression)
        await producer.start()
        try:
            for key in keys:
                sent = await producer.send_and_wait(topic, None, key.encode())
                if as_json:
                    line = {"key": key, "status": "sent", "partition": sent.partition, "offset": sent.offset}
                    print_json({**line, "topic": topic})
        finally:
            await producer.stop()

    with_kafka(settings, send)
    if not as_json:
        print(f"sent {pluralise(len(keys), 'deletion')} to {topic}")
