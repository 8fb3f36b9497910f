"""Properties of the ledger, for any order of finished requests and any time of a worker's crash."""

from hypothesis import given, settings
from hypothesis import strategies as st

from carteiro.ledger.crash_tracker import CrashTracker
from carteiro.ledger.ledger import Ledger
from carteiro.ledger.metadata import MAX_METADATA_BYTES, MAX_UNFINISHED, decode_metadata, encode_metadata

NO_CRASHES = CrashTracker()

offsets = st.lists(st.integers(1, 9), min_size=1, max_size=60).map(
    lambda gaps: [sum(gaps[: number + 1]) for number in range(len(gaps))]
)
"""Offsets of a partition's records, in their order, with gaps as compaction and transaction markers leave them."""


@st.composite
def histories(draw):
    """A partition's records, the records that were read, and the finished records in their order."""
    records = draw(offsets)
    read = records[: draw(st.integers(0, len(records)))]
    finished = draw(st.permutations(read))[: draw(st.integers(0, len(read)))] if read else []
    return records, read, finished


def serve(ledger, read, finished):
    for offset in read:
        ledger.admit(offset)
    for offset in finished:
        ledger.finish(offset)


def committed_and_decoded(ledger):
    """Return the ledger of the next owner, after a round trip through a commit."""
    return decode_metadata(*encode_metadata(ledger, NO_CRASHES))[0]


@given(histories())
def test_committed_offset_is_never_past_an_unfinished_record(history):
    _, read, finished = history
    ledger = Ledger()
    serve(ledger, read, finished)
    low, _ = encode_metadata(ledger, NO_CRASHES)
    assert all(offset in finished for offset in read if offset < low)


@given(histories())
def test_next_owner_serves_exactly_the_unfinished_records(history):
    records, read, finished = history
    ledger = Ledger()
    serve(ledger, read, finished)
    owner = Ledger()
    owner.merge(committed_and_decoded(ledger))
    owner.reset_to(())
    served = [offset for offset in records if offset >= owner.committable and owner.admit(offset)]
    assert served == [offset for offset in records if offset not in finished]


@given(histories(), st.randoms(use_true_random=False))
def test_records_are_finished_once_after_any_number_of_crashes(history, chance):
    records, _, _ = history
    committed, ended = (0, ""), []
    for _ in range(1000):
        ledger = Ledger()
        ledger.merge(decode_metadata(*committed)[0])
        ledger.reset_to(())
        running = [offset for offset in records if offset >= ledger.committable and ledger.admit(offset)]
        if not running:
            break
        chance.shuffle(running)
        for offset in running[: chance.randint(1, len(running))]:
            ledger.finish(offset)
            ended.append(offset)
            committed = encode_metadata(ledger, NO_CRASHES)
    assert sorted(ended) == records


@given(histories())
def test_commit_holds_the_whole_ledger(history):
    _, read, finished = history
    ledger = Ledger()
    serve(ledger, read, finished)
    other = committed_and_decoded(ledger)
    assert other.committable == ledger.committable
    assert all(other.is_finished(offset) == ledger.is_finished(offset) for offset in range(max(read, default=0) + 1))


@given(histories(), histories())
def test_merged_ledger_has_the_finished_offsets_of_both(one, two):
    ledgers = [Ledger(), Ledger()]
    for ledger, (_, read, finished) in zip(ledgers, (one, two), strict=True):
        serve(ledger, read, finished)
    known = [[ledger.is_finished(offset) for offset in range(700)] for ledger in ledgers]
    ledgers[0].merge(ledgers[1])
    assert [ledgers[0].is_finished(offset) for offset in range(700)] == [a or b for a, b in zip(*known, strict=True)]


@settings(max_examples=30)
@given(st.integers(1, 3 * MAX_UNFINISHED), st.randoms(use_true_random=False))
def test_commit_fits_the_limit_of_the_broker(count, chance):
    """The commit fits even if the ledger is larger than a lane allows. Offsets after the cut count as unseen."""
    ledger, offset, read = Ledger(), 0, []
    for _ in range(count):
        offset += chance.randint(1, 2 ** chance.randint(1, 40))
        ledger.admit(offset)
        read.append(offset)
    ledger.admit(offset + 1)
    ledger.finish(offset + 1)
    tracker = CrashTracker(2**32 - 1, [offset, offset], offset, 2)
    low, metadata = encode_metadata(ledger, tracker)
    assert len(metadata.encode()) <= MAX_METADATA_BYTES
    other, _ = decode_metadata(low, metadata)
    assert low == read[0]
    assert not any(other.is_finished(each) for each in read)


def test_max_unfinished_offsets_always_fit():
    ledger = Ledger()
    for number in range(MAX_UNFINISHED):
        ledger.admit(number * 2_000_000)
        ledger.admit(number * 2_000_000 + 1)
        ledger.finish(number * 2_000_000 + 1)
    assert committed_and_decoded(ledger).next_unseen == ledger.next_unseen


def test_record_that_is_read_again_is_served_once():
    ledger = Ledger()
    assert ledger.admit(3)
    assert not ledger.admit(3)
    ledger.finish(3)
    assert not ledger.admit(3)


def test_running_records_do_not_start_again_after_a_rewind():
    ledger = Ledger()
    for offset in range(5):
        ledger.admit(offset)
    ledger.finish(2)
    ledger.reset_to(in_flight=[1, 3])
    assert [offset for offset in range(6) if ledger.admit(offset)] == [0, 4, 5]


def test_record_deleted_by_retention_counts_as_finished():
    ledger = Ledger(10, [2, 5])
    ledger.reset_to(())
    assert ledger.admit(5)
    assert ledger.committable == 5


def test_recreated_partition_is_served_from_its_start():
    """Its topic was deleted and created again, so the finished old offsets do not apply to the new records."""
    ledger = Ledger(1000, [900])
    ledger.reset_to(())
    assert [ledger.admit(offset) for offset in range(3)] == [True, True, True]
    assert ledger.committable == 0
