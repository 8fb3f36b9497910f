"""The smallest possible service: only aiokafka. One bad record ends it, and a slow record delays all of its fetch.

With a model to wait for, all records of a fetch are sent to it at once. Otherwise they run one after the other.
"""

import asyncio
import json
import logging
import signal

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from benchmarks.delivery.contender_config import ContenderConfig
from benchmarks.delivery.contenders.completion import open_completion

MAX_RECORDS = 500
"""Largest number of records of a fetch without a wait: the Java client's default."""


async def run(job: ContenderConfig) -> None:
    logging.basicConfig(level=job.log_level_number)
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

    async with open_completion(job) as complete, consumer, producer:

        async def answer(record: ConsumerRecord[bytes, bytes]) -> bytes:
            text = await complete(json.loads(record.value)["prompt"])
            return json.dumps({"status": "ok", "result": {"text": text}}).encode()

        while not stopped.is_set():
            taken = await consumer.getmany(timeout_ms=500, max_records=job.max_in_flight if waits else MAX_RECORDS)
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
