"""Validation of a committed offset and its metadata against the current log. Pure: no Kafka, no clock.

Not only workers write commits: an operator resets a group, or MirrorMaker 2 translates offsets for another cluster. The
log also changes after a commit: retention deletes its start, an unclean leader election deletes its end, or its topic
is deleted and created again. A request must never count as finished because of a commit for another log.
"""

from dataclasses import dataclass, field
from enum import Enum

from aiokafka.structs import OffsetAndMetadata

from carteiro.ledger.crash_tracker import CrashTracker
from carteiro.ledger.ledger import Ledger
from carteiro.ledger.metadata import (
    NO_CHECKPOINT,
    CommitContent,
    EpochCheckpoint,
    MetadataUnreadable,
    TopicIdentity,
    decode_commit,
)


class CommitOrigin(Enum):
    """Origin of a commit."""

    NONE = "nothing is committed"
    WORKER = "a worker"
    EXTERNAL = "not a worker: the offset counts, without metadata"
    OLD_TOPIC = "a worker, for a topic of the same name that is gone"


@dataclass(frozen=True, slots=True)
class LogBounds:
    """The first offset of a partition's log and the offset after its last record; `end` is None if it is unknown."""

    start: int
    end: int | None = None
    epoch_end: int | None = None
    """The offset at which the epoch of the commit's checkpoint ends in this log; None if it is unknown."""


@dataclass(frozen=True, slots=True)
class ValidatedCommit:
    """The part of a group's commit that is valid for its partition."""

    ledger: Ledger
    log: LogBounds
    identity: TopicIdentity
    """Identity of the current topic."""
    crash_tracker: CrashTracker = field(default_factory=CrashTracker)
    origin: CommitOrigin = CommitOrigin.NONE
    offset: int | None = None
    """The committed offset; None if nothing is committed."""
    truncated: bool = False
    """True if the commit covers offsets beyond the end of the log."""

    def validate_snapshot(self, snapshot: Ledger | None, *, keeps_metadata: bool) -> Ledger | None:
        """Return the valid part of a ledger snapshot; None if the snapshot does not belong to this commit.

        A snapshot is stored in another topic with each commit. It does not belong to the commit after an operator has
        reset the group, for example. It may be ahead of the commit, since a worker may have died between the two
        writes. `keeps_metadata` is True if the broker is known to keep metadata.
        """
        if snapshot is None or self.offset is None:
            return None
        ours = self.origin is CommitOrigin.WORKER and snapshot.committable >= self.offset
        if not ours and (
            keeps_metadata or self.origin is not CommitOrigin.EXTERNAL or snapshot.committable != self.offset
        ):
            return None
        return snapshot.truncated_at(self.log.end) if self.log.end is not None else snapshot

    def invalidation_reason(
        self, lane_ledger: Ledger, identity: TopicIdentity, committed: int, *, keeps_metadata: bool
    ) -> str | None:
        """Return the reason that a lane's state is invalid; None if it is valid.

        `lane_ledger` is the lane's ledger for the topic with that `identity`. `committed` is an offset that the lane
        has committed. `keeps_metadata` is True if the broker is known to keep metadata.
        """
        if self.identity.topic and identity.topic and self.identity.topic != identity.topic:
            return "the topic was deleted and created again"
        if self.truncated or (self.log.end is not None and lane_ledger.next_unseen > self.log.end):
            return "the log was cut, for example by an unclean leader election"
        if self.offset is None:
            return None
        if self.offset < committed or (keeps_metadata and self.origin is not CommitOrigin.WORKER):
            return "another program or an operator has set the group's offset"
        return None


def validate_commit(found: OffsetAndMetadata | None, identity: TopicIdentity, log: LogBounds) -> ValidatedCommit:
    """Return the part of a partition's commit that is valid for the current topic, with that identity and log."""
    if found is None:
        return ValidatedCommit(Ledger(log.start), log, identity)
    ledger, crash_tracker, origin, checkpoint = (
        Ledger(found.offset),
        CrashTracker(),
        CommitOrigin.EXTERNAL,
        NO_CHECKPOINT,
    )
    if (content := _content_of(found)) is not None:
        origin = _origin(content, identity, log)
        if origin is CommitOrigin.WORKER:
            ledger, crash_tracker, checkpoint = content.ledger, content.crash_tracker, content.checkpoint
    if origin is CommitOrigin.OLD_TOPIC:
        ledger = Ledger(log.start)
    cut = _truncation_offset(ledger, checkpoint, log)
    if cut is not None:
        ledger = ledger.truncated_at(cut)
    return ValidatedCommit(ledger, log, identity, crash_tracker, origin, found.offset, truncated=cut is not None)


def _truncation_offset(ledger: Ledger, checkpoint: EpochCheckpoint, log: LogBounds) -> int | None:
    """Return the offset at which the log was cut, so that the ledger is invalid from there on; None if it was not cut.

    The log may have grown again since then. Its new requests must not count as finished.
    """
    epoch_end = log.epoch_end if checkpoint.epoch >= 0 else None
    if epoch_end is not None and epoch_end < checkpoint.offset:
        return epoch_end
    if log.end is None or ledger.next_unseen <= log.end:
        return None
    if epoch_end is not None:
        return min(checkpoint.offset, log.end)
    return log.end if ledger.committable <= log.end else log.start


def checkpoint_of(found: OffsetAndMetadata | None) -> EpochCheckpoint:
    """Return the checkpoint in the metadata of a commit; `NO_CHECKPOINT` if there is no readable metadata."""
    content = _content_of(found)
    return content.checkpoint if content else NO_CHECKPOINT


def owner_of(found: OffsetAndMetadata | None) -> int:
    """Return the owner in the metadata of a commit; 0 if there is no owner."""
    content = _content_of(found)
    return content.crash_tracker.owner if content else 0


def _content_of(found: OffsetAndMetadata | None) -> CommitContent | None:
    """Return the decoded metadata of a commit; None if it cannot be read, or if nothing is committed."""
    try:
        return decode_commit(found.offset, found.metadata or "") if found else None
    except MetadataUnreadable:
        return None


def _origin(content: CommitContent, identity: TopicIdentity, log: LogBounds) -> CommitOrigin:
    written = content.identity
    if written.cluster and identity.cluster and written.cluster != identity.cluster:
        return CommitOrigin.EXTERNAL
    if written.topic and identity.topic and written.topic != identity.topic:
        return CommitOrigin.OLD_TOPIC
    # An older version wrote no identity and no offset. Metadata that reaches beyond the log belongs to another offset.
    if not written.topic and log.end is not None and content.ledger.next_unseen > log.end:
        return CommitOrigin.EXTERNAL
    return CommitOrigin.WORKER
