"""What lanes need to know of the service whose requests they serve."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from carteiro.wire.record import Record
from carteiro.worker.delivery.courier import Courier, Delivering
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
    prepare: Callable[[int], Awaitable[None]]
    """Makes ready to serve a partition, each time it is taken over. Raises nothing but cancellation."""
    forget: Callable[[int], None]
    """A partition that was made ready is somebody else's."""
