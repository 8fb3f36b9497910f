"""The table of a lane's transitions, walked on the real states."""

import pytest

from carteiro.worker.delivery.lane_state import TRANSITIONS, LaneState


@pytest.mark.parametrize("state", LaneState)
def test_only_transitions_of_the_table_are_allowed(state: LaneState) -> None:
    for target in LaneState:
        if target is state or target in TRANSITIONS[state]:
            assert state.to(target) is target
        else:
            with pytest.raises(ValueError, match=f"from {state.value} to {target.value}"):
                state.to(target)


def test_every_state_is_reached_and_leads_to_closed() -> None:
    reached = {LaneState.SUSPENDED}
    while (more := reached | {each for state in reached for each in TRANSITIONS[state]}) != reached:
        reached = more
    assert reached == set(LaneState)
    assert all(LaneState.CLOSED in TRANSITIONS[state] for state in LaneState if state is not LaneState.CLOSED)
    assert not TRANSITIONS[LaneState.CLOSED]


def test_requests_start_only_if_the_partition_is_owned_and_read() -> None:
    assert [state for state in LaneState if state.starts] == [LaneState.SERVING]
    assert all(state.owns and state.reads for state in LaneState if state.starts)


@pytest.mark.parametrize("state", LaneState)
def test_ownership_is_only_taken_while_opening(state: LaneState) -> None:
    if not state.owns:
        assert {each for each in TRANSITIONS[state] if each.owns} <= {LaneState.RECOVERING}
        assert not {each for each in TRANSITIONS[state] if each.owns} or state is LaneState.OPENING
