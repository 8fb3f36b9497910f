"""Pass criteria of a soak."""

from collections import Counter

from benchmarks.soak.flatness import growth_per_hour
from benchmarks.soak.record import SoakRecord

MAX_MIB_PER_HOUR = 20.0
"""Largest growth of a worker's memory in MiB an hour. At ten requests a second it is 600 bytes a request. A request's
own text is longer, so a leak of a request, a reply or a prompt grows faster."""
MAX_HANDLES_PER_HOUR = 180.0
"""Largest growth of a worker's open handles an hour: one for two hundred requests. The pool of connections to the
provider grows and shrinks by dozens, so a smaller limit would measure noise."""


def lost_and_duplicate(requests: Counter[str], replies: Counter[str]) -> tuple[int, int]:
    """Return the number of missing replies and of surplus replies, if each record of a request has to have one reply.

    Both are counted by correlation id. A client that does not know if Kafka has a request may send it twice.
    """
    return (requests - replies).total(), (replies - requests).total()


def problems(record: SoakRecord) -> list[str]:
    """Return one line for each broken criterion."""
    found = [f"worker {life} ended by itself" for life in record.ended]
    if record.lost:
        found.append(f"{record.lost} requests have no reply")
    if record.doubled:
        found.append(f"{record.doubled} replies are too many")
    for what, unit, bound in (("mib", "MiB", MAX_MIB_PER_HOUR), ("handles", "handles", MAX_HANDLES_PER_HOUR)):
        for life, line in record.series(what).items():
            if (rises := growth_per_hour(line)) is not None and rises > bound:
                found.append(f"worker {life} grew by {rises:.1f} {unit} an hour, {bound:g} are allowed")
    return found
