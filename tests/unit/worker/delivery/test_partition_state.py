"""The state of a partition is invalid if the group's commit, the topic or the log has changed without the lane."""

import pytest

from carteiro.ledger.ledger import Ledger
from carteiro.ledger.metadata import MAX_METADATA_BYTES, TopicIdentity
from carteiro.worker.delivery.commit_validation import LogBounds, validate_commit
from carteiro.worker.delivery.partition_state import PartitionState

CURRENT_TOPIC, RECREATED_TOPIC = TopicIdentity(1, 2), TopicIdentity(1, 3)
LOG = LogBounds(0, 1000)


def state_served_to(end: int) -> PartitionState:
    """Return the state of a partition in which all offsets before `end` are finished and committed."""
    state = PartitionState()
    state.merge_commit(validate_commit(None, CURRENT_TOPIC, LOG))
    state.ledger.merge(Ledger(end))
    state.note_read(leader_epoch=5, end=end)
    state.note_committed()
    return state


def test_state_is_valid_after_its_own_commit():
    state = state_served_to(10)
    commit = validate_commit(state.offset_and_metadata(state.ledger, MAX_METADATA_BYTES), CURRENT_TOPIC, LOG)
    assert state.invalidation_reason(commit, transactional=True) is None


@pytest.mark.parametrize(
    ("offset", "identity", "log", "reason"),
    [
        (10, RECREATED_TOPIC, LOG, "created again"),
        (10, CURRENT_TOPIC, LogBounds(0, 5), "cut"),
        (3, CURRENT_TOPIC, LOG, "set the group's offset"),
        (20, CURRENT_TOPIC, LOG, "set the group's offset"),
    ],
    ids=["topic", "log", "reset back", "reset forward"],
)
def test_state_is_invalid_for_another_topic_log_or_offset(offset, identity, log, reason):
    state = state_served_to(10)
    own = state.offset_and_metadata(state.ledger, MAX_METADATA_BYTES)
    commit = validate_commit(own if offset == 10 else own._replace(offset=offset, metadata=""), identity, log)
    assert reason in state.invalidation_reason(commit, transactional=True)


@pytest.mark.parametrize("limit", [0, 48])
def test_commit_without_metadata_keeps_the_state_valid(limit):
    state = state_served_to(10)
    commit = validate_commit(state.offset_and_metadata(Ledger(12, [10]), limit), CURRENT_TOPIC, LOG)
    assert state.invalidation_reason(commit, transactional=True) is None


def test_state_is_valid_before_the_first_commit():
    state = PartitionState()
    assert state.invalidation_reason(validate_commit(None, RECREATED_TOPIC, LOG), transactional=True) is None


@pytest.mark.parametrize(
    ("identity", "epoch", "expected"), [(CURRENT_TOPIC, 5, False), (CURRENT_TOPIC, 6, True), (RECREATED_TOPIC, 5, True)]
)
def test_partition_is_reopened_for_another_topic_or_a_later_leader(identity, epoch, expected):
    assert state_served_to(10).note_topic(identity, epoch) is expected


def test_checkpoint_lags_by_one_metadata_refresh():
    state = state_served_to(10)
    state.ledger.merge(Ledger(20))
    state.note_topic(CURRENT_TOPIC, 5)
    assert state.checkpoint.offset == 10
    state.note_topic(CURRENT_TOPIC, 5)
    assert state.checkpoint.offset == 20
