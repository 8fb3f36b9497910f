import pytest

from carteiro.worker.journal.entry import entry_key
from carteiro.worker.journal.partition_journal import PartitionJournal
from tests.unit.worker.journal.fake_writer import TOPIC, FakeWriter, prompt

KEYS = {request: entry_key(request, "m", prompt("a")) for request in (1, 2, 3)}


@pytest.fixture
def writer() -> FakeWriter:
    return FakeWriter()


async def test_written_entry_is_in_memory_and_on_the_topic(writer: FakeWriter) -> None:
    journal = PartitionJournal(writer, TOPIC, 4)
    assert journal.write(KEYS[1], b"one") is not None
    assert journal.entries(1) == {KEYS[1]: b"one"} == writer.values
    assert journal.entries(2) == {}
    tombstone = journal.tombstone(KEYS[1])
    assert (tombstone.topic, tombstone.partition, tombstone.key, tombstone.value) == (TOPIC, 4, KEYS[1], None)


async def test_entry_is_in_memory_while_the_topic_is_away(writer: FakeWriter) -> None:
    writer.away = True
    journal = PartitionJournal(writer, TOPIC, 0)
    assert journal.write(KEYS[1], b"one") is None
    assert journal.entries(1) == {KEYS[1]: b"one"}


def test_load_replaces_the_entries_and_ignores_foreign_keys(writer: FakeWriter) -> None:
    journal = PartitionJournal(writer, TOPIC, 0)
    assert journal.load({KEYS[1]: b"one"}) == 1
    assert journal.load({KEYS[2]: b"two", b"": b"probe", b"x/y": b""}) == 1
    assert (journal.entries(1), journal.entries(2)) == ({}, {KEYS[2]: b"two"})


def test_earliest_requests_are_forgotten_beyond_the_limit(writer: FakeWriter) -> None:
    writer.max_bytes = 10
    journal = PartitionJournal(writer, TOPIC, 0)
    journal.load({KEYS[1]: b"12345", KEYS[2]: b"12345"})
    journal.forget(2)
    journal.load({KEYS[1]: b"12345", KEYS[2]: b"12345", KEYS[3]: b"1"})
    assert [len(journal.entries(request)) for request in (1, 2, 3)] == [0, 1, 1]
    assert writer.forgotten == 1


async def test_rewritten_entry_counts_once_towards_the_limit(writer: FakeWriter) -> None:
    writer.max_bytes = 10
    journal = PartitionJournal(writer, TOPIC, 0)
    for value in (b"12345", b"1234567890"):
        journal.write(KEYS[1], value)
    assert journal.entries(1) == {KEYS[1]: b"1234567890"}


async def test_removed_entry_is_out_of_memory_and_on_the_topic(writer: FakeWriter) -> None:
    writer.max_bytes = 5
    journal = PartitionJournal(writer, TOPIC, 0)
    journal.write(KEYS[1], b"12345")
    journal.remove(KEYS[1])
    journal.remove(KEYS[2])
    assert (journal.entries(1), writer.values) == ({}, {KEYS[1]: b"12345"})
    journal.write(KEYS[3], b"12345")
    assert journal.entries(3) == {KEYS[3]: b"12345"}
    assert journal._requests.keys() == {3}, "requests without entries take no memory"
