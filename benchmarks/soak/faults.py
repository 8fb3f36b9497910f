"""Execution of a schedule of faults."""

import asyncio
from collections.abc import Callable, Sequence

from benchmarks.broker import wait_for_broker
from benchmarks.soak.faulty_provider import FaultyProvider
from benchmarks.soak.record import InjectedFault, SoakRecord
from benchmarks.soak.schedule import BROKER, KILL, PAUSE, Fault
from benchmarks.soak.workers import WorkerFleet
from tests.containers.conftest import ApacheKafka


async def inject_faults(
    faults: Sequence[Fault],
    record: SoakRecord,
    workers: WorkerFleet,
    kafka: ApacheKafka,
    provider: FaultyProvider,
    now: Callable[[], float],
) -> None:
    """Run the faults one after the other. Add each to the record once it is over."""
    for fault in faults:
        await asyncio.sleep(fault.at - now())
        began = now()
        await _inject(fault, workers, kafka, provider)
        record.happened.append(InjectedFault(at=began, until=now(), kind=fault.kind, worker=fault.worker))


async def _inject(fault: Fault, workers: WorkerFleet, kafka: ApacheKafka, provider: FaultyProvider) -> None:
    if fault.kind == BROKER:
        await asyncio.to_thread(kafka.get_wrapped_container().restart, timeout=10)
        await wait_for_broker(kafka.address)
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
        await provider.go_offline()
        await asyncio.sleep(fault.seconds)
        await provider.go_online()
