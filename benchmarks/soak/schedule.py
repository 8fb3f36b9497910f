"""What goes wrong when, settled by the seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice, product

KILL, PAUSE, BROKER, PROVIDER = "kill", "pause", "broker", "provider"
_KINDS = (KILL, PAUSE, BROKER, PROVIDER, KILL, PAUSE, KILL, PAUSE)
_STEP_SECONDS = 100.0
_PROVIDER_SECONDS = 30.0
_PAUSE_SECONDS = ((3.0, 7.0), (14.0, 20.0))
"""After the shorter a worker goes on before its group has missed it, after the longer its partitions are others'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong, so many seconds after the beginning, for so long."""

    at: float
    kind: str
    worker: str | None = None
    seconds: float = 0.0


def schedule(seconds: float, seed: int, spared: str, victims: Sequence[str]) -> list[Fault]:
    """Faults from the first twentieth of the time to the last tenth, each kind once at least.

    `victims` are killed, in turn; `spared` is not, so that one process lives through it all. All of them are paused.
    """
    chance = random.Random(seed)
    first, last = 0.05 * seconds, 0.9 * seconds
    kinds = list(islice(cycle(_KINDS), max(4, round((last - first) / _STEP_SECONDS))))
    chance.shuffle(kinds)
    killed, paused = cycle(victims), cycle(product(_PAUSE_SECONDS, (spared, *victims)))
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
