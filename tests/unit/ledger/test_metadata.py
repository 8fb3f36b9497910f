"""Commit metadata: encoding, limits, and rejection of foreign or incomplete metadata."""

import itertools
from base64 import b64encode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from carteiro.ledger.crash_tracker import CrashTracker
from carteiro.ledger.ledger import Ledger
from carteiro.ledger.metadata import (
    EpochCheckpoint,
    MetadataUnreadable,
    TopicIdentity,
    decode_commit,
    decode_metadata,
    encode_metadata,
    fits_one_more,
)


def test_empty_metadata_is_only_an_offset():
    ledger, tracker = decode_metadata(7, "")
    assert (ledger.committable, ledger.next_unseen, list(ledger.unfinished), tracker) == (7, 7, [], CrashTracker())


@given(st.text() | st.text().map(lambda text: "1" + text) | st.binary().map(lambda raw: "1" + raw.hex()))
def test_any_metadata_is_decoded_or_rejected(metadata):
    try:
        ledger, _ = decode_metadata(7, metadata)
    except MetadataUnreadable:
        return
    assert ledger.committable >= 7
    assert list(ledger.unfinished) == sorted(ledger.unfinished)


@pytest.mark.parametrize("metadata", ["1AAAA", "3!!!!", "3gA==", "3AA==", "2AA=="])
def test_malformed_metadata_is_rejected(metadata):
    with pytest.raises(MetadataUnreadable):
        decode_metadata(0, metadata)


def test_metadata_of_the_previous_version_is_decoded():
    # Owner 7; a crash mark at +5; 2 isolated starts of +2; a group up to +3; unfinished: +0 and +2.
    numbers = bytes([7, 1, 5, 2, 3, 4, 0, 9, 2])
    ledger, tracker = decode_metadata(10, "2" + b64encode(numbers).decode())
    assert (ledger.next_unseen, list(ledger.unfinished)) == (19, [10, 12])
    assert tracker == CrashTracker(7, [15], group_upto=13, isolated=12, isolated_starts=2)


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(10, 10_000), max_size=2).map(sorted),
    st.integers(10, 10_000) | st.just(-1),
    st.integers(10, 10_000) | st.just(-1),
    st.integers(10, 10_000) | st.just(-1),
    st.integers(0, 5),
    st.integers(10, 10_000) | st.just(-1),
    st.integers(0, 5),
)
def test_crash_tracker_round_trips(
    owner, crash_marks, group_upto, isolate_upto, isolated, isolated_starts, isolated_batch, isolated_batch_starts
):
    tracker = CrashTracker(
        owner, crash_marks, group_upto, isolate_upto, isolated, isolated_starts, isolated_batch, isolated_batch_starts
    )
    assert decode_metadata(*encode_metadata(Ledger(10_100, [10, 50]), tracker))[1] == tracker


IDENTITY, CHECKPOINT = TopicIdentity(2**32 - 1, 2**32 - 1), EpochCheckpoint(2**31 - 1, 2**62)
OPEN = st.lists(st.integers(1, 300), max_size=400).map(lambda distances: list(itertools.accumulate(distances)))


@given(OPEN, st.sampled_from([0, 48, 60, 100, 300, 1024, 4096]))
def test_metadata_stays_below_the_limit_and_finishes_no_open_offset(unfinished, limit):
    ledger = Ledger((unfinished or [0])[-1] + 10, unfinished)
    offset, metadata = encode_metadata(ledger, CrashTracker(), IDENTITY, CHECKPOINT, limit=limit)
    assert len(metadata) <= limit
    known, _ = decode_metadata(offset, metadata)
    assert not any(known.is_finished(each) for each in unfinished)


@given(OPEN, st.sampled_from([300, 1024, 4096]))
def test_ledger_that_fits_is_encoded_completely(unfinished, limit):
    ledger = Ledger((unfinished or [0])[-1] + 10, unfinished)
    if fits_one_more(ledger, limit):
        known, _ = decode_metadata(*encode_metadata(ledger, CrashTracker(), IDENTITY, CHECKPOINT, limit=limit))
        assert (known.next_unseen, list(known.unfinished)) == (ledger.next_unseen, unfinished)


LAST = 2**63 - 1
"""The highest offset that Kafka can give a record."""


@st.composite
def largest(draw: st.DrawFn) -> tuple[Ledger, CrashTracker]:
    """Ledgers at both ends of the range of offsets, with crash trackers that take the maximum number of bytes."""
    distances = draw(st.lists(st.sampled_from([1, 127, 128, 2**14, 2**31, 2**55]), min_size=1, max_size=40))
    low = draw(st.sampled_from([0, 2**32, LAST - sum(distances) - 2]))
    unfinished = list(itertools.accumulate(distances, initial=max(low, 0)))
    far = st.integers(LAST - 3, LAST - 1)
    crash_marks = sorted(draw(st.lists(far, max_size=2)))
    tracker = CrashTracker(
        2**33 - 1,
        crash_marks,
        draw(far),
        draw(far),
        draw(far),
        draw(st.integers(0, 127)),
        draw(far),
        draw(st.integers(0, 127)),
    )
    ledger = Ledger(draw(st.sampled_from([unfinished[-1] + 2, LAST - 1])), unfinished)
    ledger.reset_to(unfinished)  # all of them are being served
    return ledger, tracker


@given(largest())
def test_ledger_that_fits_takes_one_more_offset_with_the_largest_crash_tracker(found):
    ledger, tracker = found
    assume(ledger.next_unseen < LAST)
    limit = next(limit for limit in itertools.count() if fits_one_more(ledger, limit))
    ledger.admit(LAST - 1)
    content = decode_commit(*encode_metadata(ledger, tracker, IDENTITY, EpochCheckpoint(2**31 - 1, LAST), limit=limit))
    known = content.ledger
    assert list(known.unfinished) == [offset for offset in ledger.unfinished if offset < known.next_unseen]
    assert not any(map(ledger.is_finished, range(known.next_unseen, ledger.next_unseen)))
    assert (content.crash_tracker, content.identity) == (tracker, IDENTITY)


@given(st.lists(st.sampled_from([1, 127, 128, 200, 2**14, 2**15]), max_size=300), st.integers(0, 1024))
def test_ledger_fits_if_its_distances_do(distances, limit):
    unfinished = list(itertools.accumulate(distances, initial=7))
    encoded = sum((distance.bit_length() + 6) // 7 for distance in distances)
    assert fits_one_more(Ledger(unfinished[-1] + 1, unfinished), limit) == (encoded + 128 < (limit - 1) // 4 * 3)


def test_burst_of_a_thousand_fits():
    assert fits_one_more(Ledger(5000, range(1000)))
    assert not fits_one_more(Ledger(5000, range(3000)))
