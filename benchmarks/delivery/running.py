"""One contender at one workload."""

import asyncio
import random
import time
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.broker import topics
from benchmarks.delivery import kafka, measuring
from benchmarks.delivery.contenders import Contender
from benchmarks.delivery.job import Job
from benchmarks.delivery.measuring import Measurement
from benchmarks.delivery.processes import ContenderProcess
from benchmarks.delivery.workloads import WINDOW, Workload

_START_SECONDS = 60.0
_SAMPLE_SECONDS = 0.1
_WARM_UP = 20
"""Requests whose replies show that a contender is at work, before latency is measured."""


async def run(workload: Workload, contender: Contender, job: Job, log: Path, seconds: float) -> Measurement:
    """Measure it. Raises `Ended` where the contender ends, `TimeoutError` where it never answers, `TooFew`."""
    if contender.one_at_a_time and workload.latency:
        seconds = max(seconds / 2, 4 * workload.latency + 1)
    partitions = workload.partitions
    async with (
        topics(job.bootstrap, job.requests, job.replies, partitions),
        kafka.reading(job.bootstrap, job.replies, partitions) as reader,
    ):
        if workload.rate:
            return await _one_by_one(workload, contender, job, log, seconds, reader)
        backlog = workload.backlog(seconds)
        await kafka.preload(job.bootstrap, job.requests, partitions, backlog)
        with ContenderProcess(contender, job, log) as process:
            await _work_off(process, reader, backlog, seconds)
            samples = process.samples
        replies = await kafka.read_all(reader)
        ideal = workload.ideal if workload.latency else None
        in_flight = 1 if contender.one_at_a_time else WINDOW * partitions
        return measuring.throughput(workload.name, contender.name, replies, samples, in_flight, ideal)


async def _work_off(process: ContenderProcess, reader: AIOKafkaConsumer, backlog: int, seconds: float) -> None:
    """Watch until the backlog is answered or the time is over, without reading: that would take processor time."""
    give_up = time.time() + _START_SECONDS
    began, grew, before = 0.0, 0.0, 0
    while True:
        now = process.sample().at
        appended = await kafka.appended(reader)
        if appended > before:
            began, grew, before = began or now, now, appended
        if not began and now > give_up:
            raise TimeoutError(f"no reply within {_START_SECONDS:g} s")
        if began and (now > began + seconds or (appended >= backlog and now > grew + 1)):
            return
        await asyncio.sleep(_SAMPLE_SECONDS)


async def _one_by_one(
    workload: Workload, contender: Contender, job: Job, log: Path, seconds: float, reader: AIOKafkaConsumer
) -> Measurement:
    count = round(workload.rate * seconds)
    sent_at: dict[str, float] = {}
    read_at: dict[str, float] = {}
    replies: list[kafka.Reply] = []

    async def read() -> None:
        while True:
            for records in (await reader.getmany(timeout_ms=1000)).values():
                now = time.perf_counter()
                for record in records:
                    reply = kafka.reply_of(record)
                    read_at.setdefault(reply.request, now)
                    replies.append(reply)

    async def answered(total: int, within: float) -> None:
        async with asyncio.timeout(within):
            while len(read_at) < total:
                process.sample()
                await asyncio.sleep(_SAMPLE_SECONDS)

    producer = AIOKafkaProducer(bootstrap_servers=job.bootstrap)
    with ContenderProcess(contender, job, log) as process:
        async with producer, asyncio.TaskGroup() as group:
            reading = group.create_task(read())
            for number in range(_WARM_UP):
                await kafka.send(producer, job.requests, number)
            await answered(_WARM_UP, _START_SECONDS)
            process.samples.clear()
            process.sample()
            # Not at even intervals, which might fall in step with somebody's clock.
            pause = random.Random(1)
            for number in range(_WARM_UP, _WARM_UP + count):
                await asyncio.sleep(pause.uniform(0.5, 1.5) / workload.rate)
                sent_at[str(number)] = time.perf_counter()
                await kafka.send(producer, job.requests, number)
            await answered(_WARM_UP + count, 30)
            process.sample()
            reading.cancel()
        samples = process.samples
    delays = [(read_at[request] - at) * 1000 for request, at in sent_at.items()]
    return measuring.latency(workload.name, contender.name, replies, samples, delays)
