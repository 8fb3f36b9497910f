"""The ledger, by its properties: whatever finishes in whatever order, wherever a worker dies."""

from hypothesis import given, settings
from hypothesis import strategies as st

from carteiro.worker.delivery.ledger import Ledger
from carteiro.worker.delivery.metadata import MOST_BYTES, MOST_OPEN, decode, encode
from carteiro.worker.delivery.suspects import Suspects

NOBODY = Suspects()

offsets = st.lists(st.integers(1, 9), min_size=1, max_size=60).map(
    lambda gaps: [sum(gaps[: number + 1]) for number in range(len(gaps))]
)
"""Offsets of a partition's records, in their order, with gaps as compaction and transaction markers leave them."""


@st.composite
def histories(draw):
    """A partition's records, how many of them were read, and which were finished, in which order."""
    records = draw(offsets)
    read = records[: draw(st.integers(0, len(records)))]
    finished = draw(st.permutations(read))[: draw(st.integers(0, len(read)))] if read else []
    return records, read, finished


def serve(ledger, read, finished):
    for offset in read:
        ledger.take(offset)
    for offset in finished:
        ledger.finish(offset)


def recover(ledger):
    """What the next owner knows, once the commit has been to the broker and back."""
    return decode(*encode(ledger, NOBODY))[0]


@given(histories())
def test_what_is_committed_is_never_past_what_is_unfinished(history):
    _, read, finished = history
    ledger = Ledger()
    serve(ledger, read, finished)
    low, _ = encode(ledger, NOBODY)
    assert all(offset in finished for offset in read if offset < low)


@given(histories())
def test_the_next_owner_serves_what_is_unfinished_and_nothing_else(history):
    records, read, finished = history
    ledger = Ledger()
    serve(ledger, read, finished)
    owner = Ledger()
    owner.merge(recover(ledger))
    owner.rewind(())
    served = [offset for offset in records if offset >= owner.low and owner.take(offset)]
    assert served == [offset for offset in records if offset not in finished]


@given(histories(), st.randoms(use_true_random=False))
def test_any_number_of_crashes_serve_each_record_to_its_end_once(history, chance):
    records, _, _ = history
    committed, ended = (0, ""), []
    for _ in range(1000):
        ledger = Ledger()
        ledger.merge(decode(*committed)[0])
        ledger.rewind(())
        running = [offset for offset in records if offset >= ledger.low and ledger.take(offset)]
        if not running:
            break
        chance.shuffle(running)
        for offset in running[: chance.randint(1, len(running))]:
            ledger.finish(offset)
            ended.append(offset)
            committed = encode(ledger, NOBODY)
    assert sorted(ended) == records


@given(histories())
def test_a_commit_says_what_the_ledger_knows(history):
    _, read, finished = history
    ledger = Ledger()
    serve(ledger, read, finished)
    other = recover(ledger)
    assert other.low == ledger.low
    assert all(other.finished(offset) == ledger.finished(offset) for offset in range(max(read, default=0) + 1))


@given(histories(), histories())
def test_merged_ledgers_know_what_either_knew(one, two):
    ledgers = [Ledger(), Ledger()]
    for ledger, (_, read, finished) in zip(ledgers, (one, two), strict=True):
        serve(ledger, read, finished)
    known = [[ledger.finished(offset) for offset in range(700)] for ledger in ledgers]
    ledgers[0].merge(ledgers[1])
    assert [ledgers[0].finished(offset) for offset in range(700)] == [a or b for a, b in zip(*known, strict=True)]


@settings(max_examples=30)
@given(st.integers(1, 3 * MOST_OPEN), st.randoms(use_true_random=False))
def test_a_commit_never_outgrows_what_a_broker_keeps(count, chance):
    """Even of a ledger that no lane would let grow so large. What is cut is forgotten, never claimed."""
    ledger, offset, read = Ledger(), 0, []
    for _ in range(count):
        offset += chance.randint(1, 2 ** chance.randint(1, 40))
        ledger.take(offset)
        read.append(offset)
    ledger.take(offset + 1)
    ledger.finish(offset + 1)
    suspects = Suspects(2**32 - 1, [offset, offset], offset, 2)
    low, metadata = encode(ledger, suspects)
    assert len(metadata.encode()) <= MOST_BYTES
    other, _ = decode(low, metadata)
    assert low == read[0]
    assert not any(other.finished(each) for each in read)


def test_as_many_open_offsets_as_a_lane_allows_are_never_cut():
    ledger = Ledger()
    for number in range(MOST_OPEN):
        ledger.take(number * 2_000_000)
        ledger.take(number * 2_000_000 + 1)
        ledger.finish(number * 2_000_000 + 1)
    assert recover(ledger).end == ledger.end


def test_a_record_is_served_once_even_if_it_is_read_again():
    ledger = Ledger()
    assert ledger.take(3)
    assert not ledger.take(3)
    ledger.finish(3)
    assert not ledger.take(3)


def test_what_runs_is_not_begun_again_after_a_rewind():
    ledger = Ledger()
    for offset in range(5):
        ledger.take(offset)
    ledger.finish(2)
    ledger.rewind(kept=[1, 3])
    assert [offset for offset in range(6) if ledger.take(offset)] == [0, 4, 5]


def test_a_record_that_retention_took_away_is_not_waited_for():
    ledger = Ledger(10, [2, 5])
    ledger.rewind(())
    assert ledger.take(5)
    assert ledger.low == 5


def test_a_partition_that_begins_anew_is_served_from_its_beginning():
    """Its topic was deleted and made again: what was done under the old offsets says nothing of the new ones."""
    ledger = Ledger(1000, [900])
    ledger.rewind(())
    assert [ledger.take(offset) for offset in range(3)] == [True, True, True]
    assert ledger.low == 0
