"""The states of a lane and the transitions between them. Pure."""

from enum import Enum


class LaneState(Enum):
    """Phase of a partition's life in this process."""

    SUSPENDED = "suspended"
    """Between revocation and assignment, and before the first one. Running requests go on; nothing is delivered."""
    OPENING = "opening"
    """Assigned. Earlier owners are fenced off and offsets are loaded."""
    RECOVERING = "recovering"
    """Owned, and its delivery is being started or restarted. Running requests go on; none starts."""
    SERVING = "serving"
    """Records are read, requests start, outcomes are delivered."""
    DRAINING = "draining"
    """Owned, and about to be given back. Running requests finish and are committed; none starts."""
    CLOSED = "closed"
    """The partition belongs to another worker, or another lane. The last state."""

    @property
    def starts(self) -> bool:
        """True if requests may start."""
        return self is LaneState.SERVING

    @property
    def reads(self) -> bool:
        """True if records may be read."""
        return self in (LaneState.OPENING, LaneState.RECOVERING, LaneState.SERVING)

    @property
    def owns(self) -> bool:
        """True if the last commit names this process as the partition's owner."""
        return self in (LaneState.RECOVERING, LaneState.SERVING, LaneState.DRAINING)

    def to(self, state: "LaneState") -> "LaneState":
        """Return `state`. Raise `ValueError` if the transition is not in the table."""
        if state is not self and state not in TRANSITIONS[self]:
            raise ValueError(f"a lane does not go from {self.value} to {state.value}")
        return state


TRANSITIONS: dict[LaneState, frozenset[LaneState]] = {
    LaneState.SUSPENDED: frozenset({LaneState.OPENING, LaneState.CLOSED}),
    LaneState.OPENING: frozenset({LaneState.RECOVERING, LaneState.SUSPENDED, LaneState.CLOSED}),
    LaneState.RECOVERING: frozenset({LaneState.SERVING, LaneState.DRAINING, LaneState.SUSPENDED, LaneState.CLOSED}),
    LaneState.SERVING: frozenset({LaneState.RECOVERING, LaneState.DRAINING, LaneState.SUSPENDED, LaneState.CLOSED}),
    LaneState.DRAINING: frozenset({LaneState.SUSPENDED, LaneState.CLOSED}),
    LaneState.CLOSED: frozenset(),
}
