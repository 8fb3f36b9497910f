"""What of a run is not as promised."""

from collections import Counter

from benchmarks.soak.flatness import growth
from benchmarks.soak.record import Record

MIB_AN_HOUR = 20.0
"""Most that a worker's memory may rise. At ten requests a second it is 600 bytes of each: less than a request's own
text, so whatever keeps a request, a reply or a prompt by mistake rises faster."""
HANDLES_AN_HOUR = 180.0
"""Most that its open handles may rise: one for two hundred requests. The pool of connections to the provider swells
and shrinks by dozens, so less than that would be noise."""


def lost_and_doubled(requests: Counter[str], replies: Counter[str]) -> tuple[int, int]:
    """How many replies are missing and how many are too many, where each record of a request is to have one.

    Both are counted by correlation id. A client that is not sure whether Kafka has a request may send it twice.
    """
    return (requests - replies).total(), (replies - requests).total()


def problems(record: Record) -> list[str]:
    """One line for each."""
    found = [f"worker {life} ended by itself" for life in record.ended]
    if record.lost:
        found.append(f"{record.lost} requests have no reply")
    if record.doubled:
        found.append(f"{record.doubled} replies are too many")
    for what, unit, bound in (("mib", "MiB", MIB_AN_HOUR), ("handles", "handles", HANDLES_AN_HOUR)):
        for life, line in record.series(what).items():
            if (rises := growth(line)) is not None and rises > bound:
                found.append(f"worker {life} grew by {rises:.1f} {unit} an hour, {bound:g} are allowed")
    return found
