"""What lanes need to know of the service whose requests they serve."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from carteiro.wire.record import OutgoingRecord, Record
from carteiro.worker.delivery.courier import Courier, Delivering
from carteiro.worker.delivery.ledger import Ledger
from carteiro.worker.delivery.metadata import MOST_OPEN
from carteiro.worker.delivery.outcome import Outcome
from carteiro.worker.delivery.quarantine import Quarantine


@dataclass(frozen=True, slots=True)
class Service:
    """What serves the requests of a topic, as its lanes need it."""

    group: str
    window: int
    by_key: bool
    serve: Callable[[Record], Awaitable[Outcome]]
    """Serves a request. Raises nothing but cancellation."""
    condemn: Callable[[Record, int], Awaitable[Outcome]]
    """What becomes of a request that has killed its worker that many times."""
    courier: Callable[[Delivering], Courier]
    may_begin: Callable[[], bool]
    """Whether requests may begin now, for all the model knows."""
    quarantine: Quarantine
    prepare: Callable[[int], Awaitable[Ledger | None]]
    """Makes ready to serve a partition, each time it is taken over; what it knows of finished requests beyond what
    is committed. Raises nothing but cancellation."""
    forget: Callable[[int], None]
    """A partition that was made ready is somebody else's."""
    at_once: int = 1000
    """Outcomes that are delivered together, at most: until all are there, readers of what is committed wait."""
    most_open: int = MOST_OPEN
    """Requests of one partition that may be unfinished at once."""
    kept: Callable[[int, Ledger], Sequence[OutgoingRecord]] | None = None
    """Records that go with each commit of a partition's ledger, where it may be larger than a commit's metadata."""
    resumes: bool = False
    """Whether the next owner goes on where a request stands: then none is waited for when the partition is given
    back, and none is suspected of having killed its worker."""
