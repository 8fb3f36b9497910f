"""A request that crashes its worker is detected, and no other request is rejected because of it."""

from hypothesis import given
from hypothesis import strategies as st

from carteiro.ledger.crash_tracker import (
    CRASHES_BEFORE_ISOLATION,
    MAX_CRASHES,
    MAX_ISOLATED_CRASHES,
    CrashTracker,
)
from carteiro.ledger.ledger import Ledger
from carteiro.ledger.metadata import decode_metadata, encode_metadata

MAX_IN_FLIGHT, GROUP_SIZE = 8, 2


def serve(records, poison, chance, on_isolated=lambda offset: None):
    """Let workers serve a partition one after the other, until a poison request crashes each.

    Return the rejected requests, the number of crashes, and the number of starts of each request.
    """
    committed, rejected, crashes, starts = (0, ""), [], 0, dict.fromkeys(records, 0)
    for owner in range(1, 1000):
        ledger = Ledger()
        found, tracker = decode_metadata(*committed)
        ledger.merge(found)
        ledger.reset_to(())
        tracker.claim(owner, ledger, MAX_IN_FLIGHT)
        committed = encode_metadata(ledger, tracker)
        queued = [offset for offset in records if offset >= ledger.committable and ledger.admit(offset)]
        crashed = False
        while queued and not crashed:
            normal = [each for each in queued if not tracker.is_suspect(each)][:MAX_IN_FLIGHT]
            suspects = [each for each in queued if tracker.is_suspect(each)]
            isolated = [each for each in suspects if tracker.must_isolate(each)][:1]
            if suspects:
                normal = []
            for offset in isolated:
                if tracker.is_poison(offset):
                    rejected.append(offset)
                    ledger.finish(offset)
                    queued.remove(offset)
                    isolated = []
                else:
                    tracker.record_isolated_start(offset)
                suspects = isolated
            if suspects and not isolated:
                suspects = suspects[:GROUP_SIZE]
                tracker.record_group_start(max(suspects))
            committed = encode_metadata(ledger, tracker)
            running = normal + suspects
            chance.shuffle(running)
            for offset in running:
                starts[offset] += 1
            for offset in running:
                if offset in poison:
                    crashed = True
                    break
                ledger.finish(offset)
                queued.remove(offset)
                tracker.drop_finished(ledger)
                committed = encode_metadata(ledger, tracker)
        crashes += crashed
        if not queued:
            break
    return rejected, crashes, starts


@given(st.integers(1, 40), st.sets(st.integers(0, 39), max_size=3), st.randoms(use_true_random=False))
def test_only_poison_requests_are_rejected(count, poison, chance):
    records = list(range(count))
    rejected, crashes, _ = serve(records, poison, chance)
    expected = sorted(poison & set(records))
    # A request is rejected again if its rejection was not committed before the next crash.
    assert sorted(set(rejected)) == expected
    assert crashes <= MAX_CRASHES * len(expected)


@given(st.randoms(use_true_random=False))
def test_poison_request_costs_five_workers(chance):
    rejected, crashes, starts = serve(list(range(30)), {3}, chance)
    assert (rejected, crashes, starts[3]) == ([3], MAX_CRASHES, MAX_CRASHES)


def test_released_partition_creates_no_suspects():
    ledger, tracker = Ledger(5, [2]), CrashTracker()
    for owner in range(1, 20):
        assert not tracker.claim(owner, ledger, MAX_IN_FLIGHT)
        tracker.release(ledger)
    assert not tracker.is_suspect(2)


def test_restart_by_the_same_process_creates_no_suspects():
    ledger, tracker = Ledger(5, [2]), CrashTracker()
    for _ in range(20):
        assert not tracker.claim(7, ledger, MAX_IN_FLIGHT)
    assert not tracker.is_suspect(2)


def test_isolated_request_is_not_poison_after_a_release():
    ledger, tracker = Ledger(5, [2]), CrashTracker(crash_marks=[9, 9], isolate_upto=9)
    for owner in range(1, 20):
        tracker.claim(owner, ledger, MAX_IN_FLIGHT)
        assert tracker.is_suspect(2)
        assert not tracker.is_poison(2)
        tracker.record_isolated_start(2)
        tracker.release(ledger)


@given(st.integers(0, 39))
def test_requests_of_a_crashed_group_are_isolated(end):
    ledger = Ledger(40, list(range(40)))
    tracker = CrashTracker(owner=1, crash_marks=[39, 39])
    tracker.record_group_start(end)
    tracker.claim(2, ledger, MAX_IN_FLIGHT)
    assert [each for each in range(40) if tracker.must_isolate(each)] == list(range(end + 1))


def unpack(batches, poison, chance, owners=100):
    """Let workers read a partition's batches, given by their last offsets, until a poison batch crashes each worker.

    Batches before the poison batch may be finished or not. Return the skipped batches and the number of crashes.
    """
    committed, skipped, crashes = (0, ""), set(), 0
    for owner in range(1, owners):
        ledger, tracker = decode_metadata(*committed)
        ledger.reset_to(())
        tracker.claim(owner, ledger, max(batches) + 1)
        committed = encode_metadata(ledger, tracker)
        for last in [each for each in batches if not ledger.is_finished(each)]:
            rejected = tracker.is_poison_batch(last)
            if not rejected and not tracker.survived_batch(last):
                if tracker.must_isolate_batches:
                    tracker.record_batch_start(last)
                    committed = encode_metadata(ledger, tracker)
                if last in poison:
                    crashes += 1
                    break
                if tracker.isolated_batch >= 0:
                    tracker.record_batch_end()
                    committed = encode_metadata(ledger, tracker)
            assert rejected == (last in poison)
            ledger.admit(last)
            if rejected or chance.random() < 0.5:
                skipped |= {last} if rejected else set()
                ledger.finish(last)
                tracker.drop_finished(ledger)
                committed = encode_metadata(ledger, tracker)
        else:
            return sorted(skipped), crashes
    raise AssertionError("it never ends")


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=30),
    st.sets(st.integers(0, 29), max_size=3),
    st.randoms(use_true_random=False),
)
def test_only_poison_batches_are_skipped(sizes, poison, chance):
    lasts = [sum(sizes[: number + 1]) + number for number in range(len(sizes))]
    expected = [last for number, last in enumerate(lasts) if number in poison]
    skipped, crashes = unpack(lasts, expected, chance)
    assert skipped == expected
    assert crashes <= (CRASHES_BEFORE_ISOLATION + MAX_ISOLATED_CRASHES) * len(expected)


@given(st.randoms(use_true_random=False))
def test_poison_batch_costs_four_workers(chance):
    assert unpack([9, 19, 29], [19], chance) == ([19], 4)


def test_isolated_batch_is_not_poison_after_a_release():
    ledger, tracker = Ledger(5), CrashTracker(crash_marks=[9, 9])
    for owner in range(1, 20):
        tracker.claim(owner, ledger, MAX_IN_FLIGHT)
        assert tracker.must_isolate_batches
        assert not tracker.is_poison_batch(7)
        tracker.record_batch_start(7)
        tracker.release(ledger)


def test_batches_are_isolated_only_after_two_crashes():
    ledger, tracker = Ledger(5), CrashTracker()
    tracker.claim(1, ledger, MAX_IN_FLIGHT)
    tracker.claim(2, ledger, MAX_IN_FLIGHT)
    assert not tracker.must_isolate_batches
    tracker.claim(3, ledger, MAX_IN_FLIGHT)
    assert tracker.must_isolate_batches
