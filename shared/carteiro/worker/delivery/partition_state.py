"""The state of a lane that its commits hold, and the check that this state is still valid.

Pure: no Kafka, no clock.
"""

from aiokafka.structs import OffsetAndMetadata

from carteiro.ledger.crash_tracker import CrashTracker
from carteiro.ledger.ledger import Ledger
from carteiro.ledger.metadata import (
    NO_CHECKPOINT,
    NO_IDENTITY,
    EpochCheckpoint,
    TopicIdentity,
    encode_metadata,
)
from carteiro.worker.delivery.commit_validation import CommitOrigin, ValidatedCommit


class PartitionState:
    """The ledger and the crash tracker of a partition, and the topic and the log for which they are valid."""

    def __init__(self) -> None:
        self.ledger, self.crash_tracker = Ledger(), CrashTracker()
        self.identity, self.checkpoint = NO_IDENTITY, NO_CHECKPOINT
        self.broker_keeps_metadata = False
        """True if the broker is known to keep metadata with a commit."""
        self._committed_without_metadata = False
        """True if a commit of this lane had no room for metadata."""
        self._seen_end = 0
        self._committed: int | None = None
        """The first offset that this lane has committed; None before the first commit."""

    def offset_and_metadata(self, ledger: Ledger, limit: int) -> OffsetAndMetadata:
        """Return the commit of the ledger, with at most `limit` bytes of metadata."""
        commit = OffsetAndMetadata(
            *encode_metadata(ledger, self.crash_tracker, self.identity, self.checkpoint, limit=limit)
        )
        self._committed_without_metadata = self._committed_without_metadata or not commit.metadata
        return commit

    def invalidation_reason(self, commit: ValidatedCommit, *, transactional: bool) -> str | None:
        """Return the reason that the state is invalid, given the group's latest commit; None if it is valid."""
        self.broker_keeps_metadata |= transactional or commit.origin is CommitOrigin.WORKER
        self.broker_keeps_metadata &= not self._committed_without_metadata
        if self._committed is None:
            return None
        return commit.invalidation_reason(
            self.ledger, self.identity, self._committed, keeps_metadata=self.broker_keeps_metadata
        )

    def merge_commit(self, commit: ValidatedCommit) -> None:
        """Adopt the topic's identity from a commit, and mark finished each offset that is finished in it."""
        self.identity = commit.identity
        self.ledger.merge(commit.ledger)

    def note_read(self, leader_epoch: int, end: int) -> None:
        """Record that all offsets before `end` were read under that leader epoch or an earlier one."""
        self._seen_end = end
        self.checkpoint = EpochCheckpoint(leader_epoch, end)

    def note_committed(self) -> None:
        """Record that the ledger was committed."""
        self._committed = self.ledger.committable if self._committed is None else self._committed

    def note_topic(self, identity: TopicIdentity, leader_epoch: int) -> bool:
        """Record the topic's identity and leader epoch, as a broker reports them.

        Return True if the partition has to be reopened: its topic was created again, or a new leader may have cut its
        log.
        """
        recreated = bool(self.identity.topic and identity.topic) and self.identity.topic != identity.topic
        if recreated or leader_epoch > self.checkpoint.epoch >= 0:
            return True
        if leader_epoch == self.checkpoint.epoch:
            # Brokers learn about a new leader at different times, so the checkpoint lags: the records up to the end of
            # the previous check were surely written under this epoch or an earlier one.
            self.checkpoint, self._seen_end = EpochCheckpoint(leader_epoch, self._seen_end), self.ledger.next_unseen
        return False
