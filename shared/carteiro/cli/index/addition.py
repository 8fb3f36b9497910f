"""`carteiro index add`."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from carteiro.cli.exit_codes import EXIT_TIMEOUT, EXIT_USAGE, exit_with
from carteiro.cli.index.document_topic import check_topic_exists, document_topic
from carteiro.cli.index.file_records import FileUnusable, find_files, read_file
from carteiro.cli.index.sent_documents import NotRead, SentDocuments
from carteiro.cli.index.store_access import load_worker_settings
from carteiro.cli.json_lines import print_json
from carteiro.cli.kafka import KafkaSession, silence_worker_logs, with_kafka
from carteiro.cli.name_value import read_name_value
from carteiro.cli.plural import pluralise
from carteiro.cli.terminal_escape import escape
from carteiro.index.collection_source import SERVED_PREFIX
from carteiro.kafka.bounded_producer import BoundedProducer
from carteiro.kafka.producers import acknowledged_producer
from carteiro.retrieval.document import FieldValue, Version
from carteiro.settings.worker import WorkerSettings

_OVERHEAD_BYTES = 2048
"""Bytes of a produce request besides the value and the key."""
_IN_FLIGHT = 16


def add_files(
    paths: Sequence[Path], collection: str, fields: Sequence[str], *, waits: bool, patience: float, as_json: bool
) -> None:
    """Send files as documents of a collection, and print a line for each that cannot be sent.

    With `waits`, wait until the index service has read them, and print the number of those that are in the store. Exit
    with 1 if a file is not sent, or not in the store, and with 4 if the service reads no further one for `patience`
    seconds.
    """
    silence_worker_logs()
    settings = load_worker_settings()
    topic = document_topic(collection, settings.collections, settings.topics)
    values = dict(map(_parse_field, fields))
    documents = SentDocuments(collection, topic, settings.group_of(f"{SERVED_PREFIX}{collection}"))
    files = list(find_files(paths))
    if not files:
        exit_with("there is no file of a known kind: .md .txt .html .pdf .docx", EXIT_USAGE)

    async def send(kafka: KafkaSession) -> int:
        check_topic_exists(topic, collection, kafka)
        max_bytes = settings.max_produce_bytes
        producer = acknowledged_producer(kafka.options, max_produce_bytes=max_bytes, compression=kafka.compression)
        await producer.start()
        columns = (BarColumn(20), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        try:
            with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
                line = bar.add_task(f"files to {topic}", total=len(files))
                sender = _FileSender(producer, documents, values, max_bytes - _OVERHEAD_BYTES, as_json=as_json)
                await sender.send_all(files, lambda: bar.advance(line))
                if waits:
                    await documents.wait_until_read(kafka.admin, bar, patience)
        finally:
            await producer.stop()
        return sender.failed

    failed = _run(settings, send)
    if not as_json:
        print(f"sent {len(files) - failed:,} of {pluralise(len(files), 'file')} to {topic}")
    are_missing = waits and not documents.print_result(settings, as_json=as_json)
    if failed or are_missing:
        raise SystemExit(1)


class _FileSender:
    """Sender of files as documents, several at once. A record has at most `max_bytes` of key and value."""

    def __init__(
        self,
        producer: BoundedProducer,
        documents: SentDocuments,
        fields: Mapping[str, FieldValue],
        max_bytes: int,
        *,
        as_json: bool,
    ) -> None:
        self._producer, self._documents, self._fields = producer, documents, fields
        self._max_bytes, self._as_json = max_bytes, as_json
        self._slots = asyncio.Semaphore(_IN_FLIGHT)
        self.failed = 0
        """Number of files that cannot be sent."""

    async def send_all(self, files: Sequence[Path], advance: Callable[[], None]) -> None:
        """Send the files. `advance` is called after each of them."""

        async def send(path: Path) -> None:
            async with self._slots:
                await self._send(path)
            advance()

        await asyncio.gather(*map(send, files))

    async def _send(self, path: Path) -> None:
        try:
            record = await asyncio.to_thread(read_file, path, self._fields, self._max_bytes)
        except FileUnusable as error:
            self.failed += 1
            _report(path, str(error), as_json=self._as_json)
            return
        topic = self._documents.topic
        sent = await self._producer.send_and_wait(topic, record.value, record.key)
        self._documents.versions[record.key.decode()] = Version(topic, sent.partition, sent.offset, sent.timestamp)
        if self._as_json:
            line = {"file": str(path), "status": "sent", "partition": sent.partition, "offset": sent.offset}
            print_json({**line, "topic": topic})


def _run(settings: WorkerSettings, send: Callable[[KafkaSession], Coroutine[Any, Any, int]]) -> int:
    try:
        return with_kafka(settings, send)
    except NotRead as error:
        exit_with(str(error), EXIT_TIMEOUT)


def _parse_field(text: str) -> tuple[str, FieldValue]:
    if (read := read_name_value(text)) is None:
        exit_with(f"--field {text[:100]!r}: write NAME=VALUE", EXIT_USAGE)
    return read


def _report(path: Path, reason: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"file": str(path), "status": "error", "reason": reason})
    print(f"carteiro: {escape(str(path))}: {reason}", file=sys.stderr, flush=True)
