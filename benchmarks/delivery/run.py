"""One contender with one workload."""

import asyncio
import random
import time
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.broker import temporary_topics
from benchmarks.delivery import kafka, measurement
from benchmarks.delivery.contender_config import ContenderConfig
from benchmarks.delivery.contenders import Contender
from benchmarks.delivery.measurement import Measurement
from benchmarks.delivery.processes import ContenderProcess
from benchmarks.delivery.workloads import Workload

_START_SECONDS = 60.0
_SAMPLE_SECONDS = 0.1
_WARM_UP_REQUESTS = 20
"""Requests whose replies show that a contender works, before latency is measured."""


async def run(workload: Workload, contender: Contender, job: ContenderConfig, log: Path, seconds: float) -> Measurement:
    """Measure a contender. Raise `ContenderExited`, `TooFewReplies`, or `TimeoutError` if no reply arrives."""
    if contender.one_at_a_time and workload.latency:
        seconds = max(seconds / 2, 4 * workload.latency + 1)
    partitions = workload.partitions
    async with (
        temporary_topics(job.bootstrap, job.requests, job.replies, partitions),
        kafka.open_consumer(job.bootstrap, job.replies, partitions) as reader,
    ):
        if workload.rate:
            return await _measure_latency(workload, contender, job, log, seconds, reader)
        backlog = workload.backlog_size(seconds)
        await kafka.preload(job.bootstrap, job.requests, partitions, backlog, workload.traffic)
        with ContenderProcess(contender, job, log) as process:
            await _watch_backlog(process, reader, backlog, seconds)
            samples = process.samples
        replies = await kafka.read_replies(reader, workload.traffic)
        ideal = workload.ideal_rate if workload.latency else None
        in_flight = 1 if contender.one_at_a_time else workload.max_in_flight * partitions
        return measurement.throughput(workload.name, contender.name, replies, samples, in_flight, ideal)


async def _watch_backlog(process: ContenderProcess, reader: AIOKafkaConsumer, backlog: int, seconds: float) -> None:
    """Watch until the backlog is answered or the time is over. Do not read: that would take processor time."""
    give_up = time.time() + _START_SECONDS
    began, grew, before = 0.0, 0.0, 0
    while True:
        now = process.sample().at
        appended = await kafka.end_offset_sum(reader)
        if appended > before:
            began, grew, before = began or now, now, appended
        if not began and now > give_up:
            raise TimeoutError(f"no reply within {_START_SECONDS:g} s")
        if began and (now > began + seconds or (appended >= backlog and now > grew + 1)):
            return
        await asyncio.sleep(_SAMPLE_SECONDS)


async def _measure_latency(
    workload: Workload, contender: Contender, job: ContenderConfig, log: Path, seconds: float, reader: AIOKafkaConsumer
) -> Measurement:
    count = round(workload.rate * seconds)
    sent_at: dict[str, float] = {}
    read_at: dict[str, float] = {}
    replies: list[kafka.MeasuredReply] = []

    async def read() -> None:
        while True:
            for records in (await reader.getmany(timeout_ms=1000)).values():
                now = time.perf_counter()
                for record in records:
                    reply = kafka.parse_reply(record, workload.traffic)
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
            for number in range(_WARM_UP_REQUESTS):
                await kafka.send(producer, job.requests, number, workload.traffic)
            await answered(_WARM_UP_REQUESTS, _START_SECONDS)
            process.samples.clear()
            process.sample()
            # Irregular intervals cannot fall in step with another timer.
            pause = random.Random(1)
            for number in range(_WARM_UP_REQUESTS, _WARM_UP_REQUESTS + count):
                await asyncio.sleep(pause.uniform(0.5, 1.5) / workload.rate)
                sent_at[str(number)] = time.perf_counter()
                await kafka.send(producer, job.requests, number, workload.traffic)
            await answered(_WARM_UP_REQUESTS + count, 30)
            process.sample()
            reading.cancel()
        samples = process.samples
    delays = [(read_at[request] - at) * 1000 for request, at in sent_at.items()]
    return measurement.latency(workload.name, contender.name, replies, samples, delays)
