"""Only the part of a commit that is valid for the current log counts, for any writer and any change of the log."""

from base64 import b64encode
from itertools import pairwise

from aiokafka.structs import OffsetAndMetadata
from hypothesis import given
from hypothesis import strategies as st

from carteiro.ledger.crash_tracker import CrashTracker
from carteiro.ledger.ledger import Ledger
from carteiro.ledger.metadata import (
    NO_CHECKPOINT,
    NO_IDENTITY,
    EpochCheckpoint,
    TopicIdentity,
    encode_metadata,
)
from carteiro.worker.delivery.commit_validation import CommitOrigin, LogBounds, checkpoint_of, validate_commit

CURRENT_TOPIC = TopicIdentity(1, 2)
RECREATED_TOPIC = TopicIdentity(1, 3)
MIRRORED_TOPIC = TopicIdentity(4, 5)
LONG_LOG = LogBounds(0, 10_000)
LAST = 500

offsets = st.integers(0, LAST)
identities = st.sampled_from([NO_IDENTITY, CURRENT_TOPIC, RECREATED_TOPIC, MIRRORED_TOPIC])


@st.composite
def ledgers(draw):
    end = draw(offsets)
    return Ledger(end, sorted(draw(st.sets(st.integers(0, max(end - 1, 0)), max_size=20))) if end else ())


def committed(ledger, identity=CURRENT_TOPIC, checkpoint=NO_CHECKPOINT, at=None):
    offset, metadata = encode_metadata(ledger, CrashTracker(owner=7), identity, checkpoint)
    return OffsetAndMetadata(offset if at is None else at, metadata)


@given(ledgers())
def test_commit_by_worker_is_valid_for_its_log(ledger):
    accepted = validate_commit(committed(ledger), CURRENT_TOPIC, LONG_LOG)
    assert accepted.origin is CommitOrigin.WORKER
    assert accepted.crash_tracker.owner == 7
    assert [accepted.ledger.is_finished(each) for each in range(LAST)] == [
        ledger.is_finished(each) for each in range(LAST)
    ]


@given(ledgers(), offsets, identities, identities)
def test_metadata_of_another_offset_finishes_nothing(ledger, translated, written, now):
    found = committed(ledger, written)
    accepted = validate_commit(found._replace(offset=translated), now, LONG_LOG)
    if translated != found.offset:
        assert not any(accepted.ledger.is_finished(each) for each in range(translated, LAST + 1))
        assert accepted.crash_tracker == CrashTracker()
        assert accepted.ledger.committable == translated


@given(ledgers())
def test_commit_of_another_cluster_counts_only_by_its_offset(ledger):
    found = committed(ledger, MIRRORED_TOPIC)
    accepted = validate_commit(found, CURRENT_TOPIC, LONG_LOG)
    assert (accepted.origin, accepted.ledger.committable, accepted.ledger.next_unseen) == (
        CommitOrigin.EXTERNAL,
        found.offset,
        found.offset,
    )


@given(ledgers(), offsets)
def test_commit_of_a_deleted_topic_finishes_nothing(ledger, start):
    accepted = validate_commit(committed(ledger), RECREATED_TOPIC, LogBounds(start, 10_000))
    assert accepted.origin is CommitOrigin.OLD_TOPIC
    assert (accepted.ledger.committable, accepted.ledger.next_unseen) == (start, start)
    assert accepted.crash_tracker == CrashTracker()


@given(st.one_of(st.none(), st.just(""), st.text()), offsets)
def test_reset_offset_counts_without_metadata(metadata, offset):
    accepted = validate_commit(OffsetAndMetadata(offset, metadata), CURRENT_TOPIC, LONG_LOG)
    assert (accepted.ledger.committable, accepted.ledger.next_unseen) == (offset, offset)


@given(ledgers(), offsets, offsets, offsets)
def test_truncated_log_finishes_nothing_beyond_the_cut(ledger, read_to, cut, grown):
    """The log up to the checkpoint was written in its epoch, which a later leader ends at the cut."""
    read_to = min(read_to, ledger.next_unseen)
    log = LogBounds(0, cut + grown, cut)
    accepted = validate_commit(committed(ledger, checkpoint=EpochCheckpoint(3, read_to)), CURRENT_TOPIC, log)
    if cut < read_to:
        assert accepted.truncated
        assert not any(accepted.ledger.is_finished(each) for each in range(cut, LAST + 1))
    finished = [each for each in range(cut) if accepted.ledger.is_finished(each)]
    assert all(ledger.is_finished(each) for each in finished)
    assert accepted.ledger.next_unseen <= max(cut + grown, 0)


@given(offsets, st.integers(1, 100))
def test_offset_beyond_the_log_skips_nothing(end, further):
    accepted = validate_commit(OffsetAndMetadata(end + further, ""), CURRENT_TOPIC, LogBounds(0, end))
    assert accepted.truncated
    assert not any(accepted.ledger.is_finished(each) for each in range(LAST))


@given(ledgers(), st.integers(0, LAST))
def test_old_metadata_is_read_if_the_log_is_long_enough(ledger, end):
    offset, _ = encode_metadata(ledger, CrashTracker())
    found = OffsetAndMetadata(offset, old_version(ledger))
    accepted = validate_commit(found, CURRENT_TOPIC, LogBounds(0, end))
    if accepted.origin is CommitOrigin.WORKER:
        assert accepted.ledger.next_unseen <= end
    elif offset <= end:
        assert (accepted.ledger.committable, accepted.ledger.next_unseen) == (offset, offset)


@given(ledgers(), offsets)
def test_snapshot_is_invalid_after_a_reset(ledger, offset):
    accepted = validate_commit(OffsetAndMetadata(offset, ""), CURRENT_TOPIC, LONG_LOG)
    assert accepted.validate_snapshot(ledger, keeps_metadata=True) is None
    fits = accepted.validate_snapshot(ledger, keeps_metadata=False)
    assert fits is None or ledger.committable == offset


@given(ledgers())
def test_snapshot_is_valid_with_its_commit_up_to_the_log_end(ledger):
    end = max(ledger.next_unseen - 5, ledger.committable)
    accepted = validate_commit(committed(ledger), CURRENT_TOPIC, LogBounds(0, end))
    fits = accepted.validate_snapshot(ledger, keeps_metadata=True)
    assert fits is not None
    assert fits.next_unseen <= end


@given(ledgers(), identities, identities, offsets, offsets)
def test_state_is_valid_only_after_commits_by_workers(lane_ledger, before, now, start, end):
    accepted = validate_commit(committed(lane_ledger, before), now, LogBounds(min(start, end), end))
    reason = accepted.invalidation_reason(lane_ledger, before, lane_ledger.committable, keeps_metadata=True)
    if reason is None:
        assert lane_ledger.next_unseen <= end
        assert not (before.topic and now.topic) or before.topic == now.topic


def test_state_is_invalid_after_an_operator_sets_the_offset():
    lane_ledger = Ledger(20, [5])
    for offset in (0, 4, 5, 20):
        accepted = validate_commit(OffsetAndMetadata(offset, ""), CURRENT_TOPIC, LONG_LOG)
        assert accepted.invalidation_reason(lane_ledger, CURRENT_TOPIC, 3, keeps_metadata=True)
    # Without metadata, a worker's commit looks like an operator's, so only an offset that goes back is detected.
    assert (
        validate_commit(OffsetAndMetadata(5, ""), CURRENT_TOPIC, LONG_LOG).invalidation_reason(
            lane_ledger, CURRENT_TOPIC, 3, keeps_metadata=False
        )
        is None
    )
    assert validate_commit(OffsetAndMetadata(2, ""), CURRENT_TOPIC, LONG_LOG).invalidation_reason(
        lane_ledger, CURRENT_TOPIC, 3, keeps_metadata=False
    )


def test_checkpoint_is_read_only_from_own_metadata():
    assert checkpoint_of(committed(Ledger(7), checkpoint=EpochCheckpoint(4, 6))) == EpochCheckpoint(4, 6)
    for found in (None, OffsetAndMetadata(7, ""), committed(Ledger(7), at=8)):
        assert checkpoint_of(found).epoch == -1


def old_version(ledger):
    """Return metadata in version 2: owner, no crash marks, no isolated starts, three offset fields, the ledger."""
    unfinished = [*ledger.unfinished]
    end = ledger.next_unseen
    while unfinished and unfinished[-1] == end - 1:
        end = unfinished.pop()
    low = unfinished[0] if unfinished else end
    numbers = [7, 0, 0, 0, 0, 0, end - low, *(later - earlier for earlier, later in pairwise(unfinished))]
    raw = bytearray()
    for number in numbers:
        rest = number
        while rest > 0x7F:
            raw.append(rest & 0x7F | 0x80)
            rest >>= 7
        raw.append(rest)
    return "2" + b64encode(raw).decode()
