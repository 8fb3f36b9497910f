"""Schedule of faults, decided by a seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice, product

KILL, PAUSE, BROKER, PROVIDER = "kill", "pause", "broker", "provider"
_KINDS = (KILL, PAUSE, BROKER, PROVIDER, KILL, PAUSE, KILL, PAUSE)
_STEP_SECONDS = 100.0
_PROVIDER_SECONDS = 30.0
_PAUSE_SECONDS = ((3.0, 7.0), (14.0, 20.0))
"""Shorter and longer pauses. After a shorter one the group has not missed the worker. After a longer one other workers
have its partitions.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault: its start in seconds since the start of the run, and its duration in seconds."""

    at: float
    kind: str
    worker: str | None = None
    seconds: float = 0.0


def schedule(seconds: float, seed: int, survivor: str, victims: Sequence[str]) -> list[Fault]:
    """Return faults from the first twentieth of the time to the last tenth. Each kind occurs at least once.

    `victims` are killed in turn. `survivor` is not killed, so one process lives for the whole run. All are paused.
    """
    chance = random.Random(seed)
    first, last = 0.05 * seconds, 0.9 * seconds
    kinds = list(islice(cycle(_KINDS), max(4, round((last - first) / _STEP_SECONDS))))
    chance.shuffle(kinds)
    killed, paused = cycle(victims), cycle(product(_PAUSE_SECONDS, (survivor, *victims)))
    step = (last - first) / len(kinds)
    faults = []
    for number, kind in enumerate(kinds):
        at = first + step * (number + chance.uniform(0.0, 0.4))
        if kind == KILL:
            faults.append(Fault(at=at, kind=kind, worker=next(killed)))
        elif kind == PAUSE:
            span, worker = next(paused)
            faults.append(Fault(at=at, kind=kind, worker=worker, seconds=chance.uniform(*span)))
        else:
            faults.append(Fault(at=at, kind=kind, seconds=_PROVIDER_SECONDS if kind == PROVIDER else 0.0))
    return faults
