"""Detection of poison requests, which crash their worker. Pure: no Kafka, no clock.

A request can crash the process that serves it: out of memory, a fault in native code. The partition's next owner would
serve it again and crash too, for ever. So each commit also names the owner of the partition. If a new owner finds
another process still named, that process has crashed, and one of its unfinished requests may be the cause. Each of them
gets a crash mark. Most of them are innocent, and workers crash for other reasons too, so crash marks do not reject a
request.

* A request with `CRASHES_BEFORE_ISOLATION` marks is a suspect. It is served in a small group of suspects, while the
  process serves no other request.
* If the worker crashes during a group, each request of the group is served isolated: it is the only one that runs.
* After `MAX_ISOLATED_CRASHES` crashes during isolated runs, the request is poison. It is not served again.

A commit records the start of a group or an isolated request first, so that the next owner knows the suspects.

A batch of records can also crash the process while it is unpacked. After two crashes, each batch is unpacked isolated
and recorded in a commit first, before its requests are served.
"""

from dataclasses import dataclass, field

from carteiro.ledger.ledger import Ledger

CRASHES_BEFORE_ISOLATION = 2
"""Crash marks after which a request is a suspect, and is served in a small group."""
MAX_ISOLATED_CRASHES = 2
"""Crashes during isolated runs after which a request is poison, and is not served again."""
MAX_CRASHES = CRASHES_BEFORE_ISOLATION + 1 + MAX_ISOLATED_CRASHES
LEAVING_FLAG = 1 << 32
"""Flag in the owner's id: the owner is finishing its requests in flight, and will then release the partition."""


@dataclass(slots=True)
class CrashTracker:
    """The record of crashed owners in a partition's commits."""

    owner: int = 0
    """The process that serves the partition: a random number of 32 bits; 0 if the partition was released in order."""
    crash_marks: list[int] = field(default_factory=list)
    """For each crash, the offset up to which requests may have been in flight; in increasing order."""
    group_upto: int = -1
    """The highest offset of the latest group of suspects; -1 for no group."""
    isolate_upto: int = -1
    """The offset up to which each request must be isolated, since the worker crashed during a group; -1 for none."""
    isolated: int = -1
    """The offset of the latest isolated request; -1 for none."""
    isolated_starts: int = 0
    """Number of times that the isolated request was started."""
    isolated_batch: int = -1
    """The last offset of the latest batch that was unpacked isolated; -1 for none."""
    isolated_batch_starts: int = 0
    """Number of times that unpacking this batch was started."""

    def claim(self, owner: int, ledger: Ledger, max_in_flight: int) -> bool:
        """Become the owner. Return True if the last owner crashed; its requests then get a crash mark.

        `max_in_flight` is the number of requests that can have been in flight at once.
        """
        died = self.owner & (LEAVING_FLAG - 1) not in (0, owner)
        read = self.isolated_batch >= 0 and not ledger.is_finished(self.isolated_batch)
        if died and not read and not (self.isolated_starts and not ledger.is_finished(self.isolated)):
            if self.group_upto >= ledger.committable:
                self.isolate_upto = max(self.isolate_upto, self.group_upto)
            else:
                self.crash_marks = [*self.crash_marks, self._last_in_flight(ledger, max_in_flight)][
                    -CRASHES_BEFORE_ISOLATION:
                ]
        self.owner, self.group_upto = owner, -1
        self.drop_finished(ledger)
        return died

    def _last_in_flight(self, ledger: Ledger, max_in_flight: int) -> int:
        # Requests start in the order of their offsets, so the requests in flight were among the first unfinished ones.
        # Requests that were suspects already did not count toward the limit.
        still_open = list(ledger.unfinished)
        suspected = self.crash_marks[0] if len(self.crash_marks) >= CRASHES_BEFORE_ISOLATION else -1
        max_in_flight += sum(offset <= suspected for offset in still_open) + max(suspected - ledger.next_unseen + 1, 0)
        ahead = max_in_flight - len(still_open)
        last = ledger.next_unseen + ahead - 1 if ahead > 0 else still_open[max_in_flight - 1]
        return max([last, *self.crash_marks[-1:]])

    def release(self, ledger: Ledger) -> None:
        """Release the partition in order, so that its next owner finds no crash.

        A request that still runs isolated has not crashed the worker, so its latest start does not count.
        """
        self.owner, self.group_upto = 0, -1
        if self.isolated_starts and not ledger.is_finished(self.isolated):
            self.isolated_starts -= 1
        if self.isolated_batch_starts:
            self.isolated_batch_starts -= 1

    def is_suspect(self, offset: int) -> bool:
        """Return True if the request must be served in a small group, or isolated."""
        return (
            offset <= self.isolate_upto or sum(offset <= last for last in self.crash_marks) >= CRASHES_BEFORE_ISOLATION
        )

    def must_isolate(self, offset: int) -> bool:
        """Return True if the request must be served while no other request runs."""
        return offset <= self.isolate_upto

    def is_poison(self, offset: int) -> bool:
        """Return True if the request must not be served again."""
        return offset == self.isolated and self.isolated_starts >= MAX_ISOLATED_CRASHES

    def record_isolated_start(self, offset: int) -> None:
        """Record that the request is about to be served isolated. Commit the record before the request starts."""
        self.isolated_starts = self.isolated_starts + 1 if offset == self.isolated else 1
        self.isolated = offset

    def record_group_start(self, last: int) -> None:
        """Record that suspects up to offset `last` are about to be served as a group. Commit before they start."""
        self.group_upto = last

    @property
    def must_isolate_batches(self) -> bool:
        """True if each batch must be unpacked while nothing else runs: a batch may have crashed earlier owners."""
        return len(self.crash_marks) >= CRASHES_BEFORE_ISOLATION or self.isolated_batch >= 0

    def survived_batch(self, last: int) -> bool:
        """Return True if the last owner unpacked the batch: it crashed at a later batch."""
        return last < self.isolated_batch

    def is_poison_batch(self, last: int) -> bool:
        """Return True if the batch with the last offset `last` must not be unpacked again."""
        return last == self.isolated_batch and self.isolated_batch_starts >= MAX_ISOLATED_CRASHES

    def record_batch_start(self, last: int) -> None:
        """Record that the batch is about to be unpacked while nothing else runs. Commit before it is unpacked."""
        self.isolated_batch_starts = self.isolated_batch_starts + 1 if last == self.isolated_batch else 1
        self.isolated_batch = last

    def record_batch_end(self) -> None:
        """Record that the batch was unpacked without a crash. Commit before anything else starts."""
        self.isolated_batch, self.isolated_batch_starts = -1, 0

    def drop_finished(self, ledger: Ledger) -> None:
        """Drop marks that concern only finished requests."""
        if self.crash_marks:
            self.crash_marks = [last for last in self.crash_marks if last >= ledger.committable]
        if ledger.is_finished(self.isolated):
            self.isolated, self.isolated_starts = -1, 0
        if ledger.is_finished(self.isolated_batch):
            self.isolated_batch, self.isolated_batch_starts = -1, 0
