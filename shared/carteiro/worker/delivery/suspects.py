"""Which requests may have killed their worker. Pure: no Kafka, no clock.

A request can end the process that serves it: out of memory, a fault in native code. Its partition's next owner
would serve it again, and die too, for ever. So the commit also says who owns the partition. An owner that finds
it still owned by another process knows that one has died, and that one of its unfinished requests may be why:
each of them gets a strike. Most of them are innocent, and workers die of other things too, so nobody is condemned
for strikes. A request with `STRIKES` of them is served with a few other suspects, and nobody else of the process
beside them; one that has been in such a group when the worker died is served alone. Either is noted in a commit
first, so that the next owner knows whom to blame. One that has died alone as often as it is allowed to is served
no more.
"""

from dataclasses import dataclass, field

from carteiro.worker.delivery.ledger import Ledger

STRIKES = 2
"""Deaths among many after which a request is served among few."""
DEATHS_ALONE = 2
"""Deaths alone after which it is not served again."""
DEATHS = STRIKES + 1 + DEATHS_ALONE


@dataclass(slots=True)
class Suspects:
    """What a partition's commits remember of the deaths of its owners."""

    owner: int = 0
    """The process that serves the partition, a random number; 0 where it was given back in order."""
    strikes: list[int] = field(default_factory=list)
    """For each death, the offset up to which requests may have been in flight; in increasing order."""
    together: int = -1
    """The offset up to which suspects are, or were last, served as a group; -1 for no group."""
    apart: int = -1
    """The offset up to which each is to be served alone, since a group of them has died; -1 for none."""
    alone: int = -1
    """The offset that is, or was last, served alone; -1 for none."""
    deaths_alone: int = 0
    """How often it has been begun alone."""

    def take_over(self, owner: int, ledger: Ledger, most: int) -> bool:
        """Become the owner. `most` is how many requests can have been in flight at once.

        Returns whether the last owner died; then its requests have got their strikes.
        """
        died = self.owner not in (0, owner)
        if died and not (self.deaths_alone and not ledger.finished(self.alone)):
            if self.together >= ledger.low:
                self.apart = max(self.apart, self.together)
            else:
                self.strikes = [*self.strikes, self._last_in_flight(ledger, most)][-STRIKES:]
        self.owner, self.together = owner, -1
        self.forget(ledger)
        return died

    def _last_in_flight(self, ledger: Ledger, most: int) -> int:
        # Requests begin in the order of their offsets, so those in flight were among the first unfinished; those
        # that were suspected already did not count among the most.
        still_open = list(ledger.still_open)
        suspected = self.strikes[0] if len(self.strikes) >= STRIKES else -1
        most += sum(offset <= suspected for offset in still_open) + max(suspected - ledger.end + 1, 0)
        ahead = most - len(still_open)
        last = ledger.end + ahead - 1 if ahead > 0 else still_open[most - 1]
        return max([last, *self.strikes[-1:]])

    def give_back(self, ledger: Ledger) -> None:
        """The partition is left in order: whoever takes it next need not ask why. One that is still served alone has
        not died of it.
        """
        self.owner, self.together = 0, -1
        if self.deaths_alone and not ledger.finished(self.alone):
            self.deaths_alone -= 1

    def suspected(self, offset: int) -> bool:
        """Whether the request has to be served among few."""
        return offset <= self.apart or sum(offset <= last for last in self.strikes) >= STRIKES

    def must_be_alone(self, offset: int) -> bool:
        """Whether it has to be served by itself."""
        return offset <= self.apart

    def condemned(self, offset: int) -> bool:
        """Whether the request is not to be served again."""
        return offset == self.alone and self.deaths_alone >= DEATHS_ALONE

    def begin_alone(self, offset: int) -> None:
        """The request is about to be served alone. To be committed before it is."""
        self.deaths_alone = self.deaths_alone + 1 if offset == self.alone else 1
        self.alone = offset

    def begin_together(self, last: int) -> None:
        """Suspects up to that offset are about to be served as a group. To be committed before they are."""
        self.together = last

    def forget(self, ledger: Ledger) -> None:
        """Drop what is only about finished requests."""
        self.strikes = [last for last in self.strikes if last >= ledger.low]
        if ledger.finished(self.alone):
            self.alone, self.deaths_alone = -1, 0
