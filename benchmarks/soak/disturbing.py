"""Has the faults of a schedule happen."""

import asyncio
from collections.abc import Callable, Sequence

from benchmarks.broker import reach
from benchmarks.soak.cloud import Cloud
from benchmarks.soak.record import Happened, Record
from benchmarks.soak.schedule import BROKER, KILL, PAUSE, Fault
from benchmarks.soak.workers import Workers
from tests.containers.conftest import ApacheKafka


async def disturb(
    faults: Sequence[Fault],
    record: Record,
    workers: Workers,
    kafka: ApacheKafka,
    cloud: Cloud,
    now: Callable[[], float],
) -> None:
    """One after the other; each is on the record once it is over."""
    for fault in faults:
        await asyncio.sleep(fault.at - now())
        began = now()
        await _happen(fault, workers, kafka, cloud)
        record.happened.append(Happened(at=began, until=now(), kind=fault.kind, worker=fault.worker))


async def _happen(fault: Fault, workers: Workers, kafka: ApacheKafka, cloud: Cloud) -> None:
    if fault.kind == BROKER:
        await asyncio.to_thread(kafka.get_wrapped_container().restart, timeout=10)
        await reach(kafka.address)
    elif fault.kind == KILL:
        assert fault.worker
        workers.kill(fault.worker)
        await workers.start(fault.worker)
    elif fault.kind == PAUSE:
        assert fault.worker
        workers.pause(fault.worker)
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            workers.resume(fault.worker)
    else:
        await cloud.leave()
        await asyncio.sleep(fault.seconds)
        await cloud.come_back()
