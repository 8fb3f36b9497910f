"""The least that a service can be: aiokafka alone. One bad record ends it, a slow one holds up all it was read with.

Where there is a model to wait for, all records of one read are at it at once; where there is none, one after the other.
"""

import asyncio
import json
import logging
import signal

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from benchmarks.delivery.contenders.completing import completing
from benchmarks.delivery.job import Job

MOST_RECORDS = 500
"""Most records of one read where nothing is waited for: the Java client's default."""


async def run(job: Job) -> None:
    logging.basicConfig(level=job.log_number)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    waits = bool(job.latency or job.url)
    consumer = AIOKafkaConsumer(
        job.requests,
        bootstrap_servers=job.bootstrap,
        group_id=job.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(bootstrap_servers=job.bootstrap, acks="all")

    async with completing(job) as complete, consumer, producer:

        async def answer(record: ConsumerRecord[bytes, bytes]) -> bytes:
            text = await complete(json.loads(record.value)["prompt"])
            return json.dumps({"status": "ok", "result": {"text": text}}).encode()

        while not stopped.is_set():
            taken = await consumer.getmany(timeout_ms=500, max_records=job.window if waits else MOST_RECORDS)
            records = [record for partition in taken.values() for record in partition]
            if waits:
                answers = await asyncio.gather(*map(answer, records))
            else:
                answers = [await answer(record) for record in records]
            sent = [
                await producer.send(job.replies, value, headers=list(record.headers))
                for record, value in zip(records, answers, strict=True)
            ]
            if sent:
                await asyncio.gather(*sent)
                await consumer.commit()
