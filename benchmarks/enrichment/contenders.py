"""The compared contenders and their workloads."""

from benchmarks.delivery.contenders import Contender
from benchmarks.delivery.workloads import MAX_IN_FLIGHT, Workload
from benchmarks.enrichment.events import EVENTS

_HERE = __name__.rpartition(".")[0]
BY_HAND = Contender(
    name="faststream by hand, max_workers=64",
    module=f"{_HERE}.faststream_handler",
    options={"max_workers": MAX_IN_FLIGHT},
)
CONTENDERS = (
    BY_HAND,
    Contender(
        name="faststream by hand, batches of 64, ACK",
        module=f"{_HERE}.faststream_handler",
        options={"max_records": MAX_IN_FLIGHT},
    ),
    *(
        Contender(name=f"carteiro enrich {mode}", module=f"{_HERE}.carteiro_enrich", options={"delivery": mode})
        for mode in ("at_least_once", "exactly_once")
    ),
)
WORKLOADS = (
    Workload(
        name="zero",
        description="a model that takes no time",
        seconds=8,
        quick_seconds=3,
        requests=60_000,
        traffic=EVENTS,
    ),
    Workload(
        name="sleep-200ms",
        description="a model that sleeps 200 ms",
        seconds=12,
        quick_seconds=5,
        latency=0.2,
        traffic=EVENTS,
    ),
)
