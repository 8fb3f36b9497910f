"""A journal's topic in memory."""

import asyncio

from carteiro.models.prompt import Message, Prompt
from carteiro.models.results import Completion
from carteiro.schemas import Usage
from carteiro.wire.record import OutgoingRecord, Record
from carteiro.worker.journal.partition_journal import JournalWriter, PartitionJournal
from carteiro.worker.journal.request_journal import RequestJournal
from carteiro.worker.journal.store import JournalStore

TOPIC = "llm.summarize.journal"


class FakeWriter(JournalWriter):
    """A topic that takes each record at once, unless it is away."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.max_bytes = 2**20
        self.errors: list[Exception] = []
        self.away, self.reused, self.forgotten, self.hanging = False, 0, 0, False
        self.cancelled: list[tuple[str, str]] = []
        """Models and ids of cancelled answers."""

    @property
    def max_partition_bytes(self) -> int:
        return self.max_bytes

    @property
    def is_available(self) -> bool:
        return not self.away

    def publish(self, record: OutgoingRecord) -> asyncio.Future[None] | None:
        if self.away:
            return None
        self.apply(record)
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self.hanging:
            written.set_result(None)
        return written

    def on_failed(self, error: Exception) -> None:
        self.errors.append(error)

    def on_reused(self) -> None:
        self.reused += 1

    def on_forgotten(self, calls: int) -> None:
        self.forgotten += calls

    def cancel_answer(self, model: str, response_id: str) -> None:
        self.cancelled.append((model, response_id))

    def apply(self, record: OutgoingRecord) -> None:
        """Write a record."""
        assert record.key is not None
        if record.value is None:
            self.values.pop(record.key, None)
        else:
            self.values[record.key] = record.value

    def next_owner(self) -> PartitionJournal:
        """Return the journal of a worker that has just read the topic."""
        journal = PartitionJournal(self, TOPIC, 0)
        journal.load(self.values)
        return journal


def prompt(text: str) -> Prompt:
    return Prompt(messages=[Message("user", text)])


def completion(text: str, tokens: int = 1000, cost: float | None = None) -> Completion:
    return Completion(text, "stop", Usage(output_tokens=tokens, cost_usd=cost))


class FakeJournals(JournalStore):
    """Journals of a worker that has just read the topic. All calls are kept."""

    def __init__(self, writer: FakeWriter) -> None:
        self._partition = writer.next_owner()

    def open(self, record: Record) -> RequestJournal:
        return RequestJournal(self._partition, record.offset, record.offset, 0)
