"""The same enrichment, written by hand with FastStream: key, headers and timestamp are kept, as Carteiro does.

With `max_workers`, many events run at once; FastStream commits them before they are enriched, so a crash loses them.
With `max_records`, so many events are read, enriched at once, and committed after their enriched events are confirmed.
"""

import asyncio
import logging
from typing import Any

from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage, KafkaResponse

from benchmarks.delivery.contender_config import ContenderConfig
from benchmarks.delivery.contenders.completion import Complete, in_process

Event = dict[str, Any]


async def run(job: ContenderConfig) -> None:
    logger = logging.getLogger("bench")
    logger.setLevel(job.log_level_number)
    broker = KafkaBroker(job.bootstrap, logger=logger, acks="all")
    async with in_process(job.latency) as complete:
        (serve_batches if "max_records" in job.options else serve_each)(broker, job, complete)
        await FastStream(broker, logger=logger).run(log_level=job.log_level_number)


async def enrich(event: Event, complete: Complete) -> Event:
    """Return the event with the reply to its text."""
    text = event["body"]["text"]
    if event["lang"] == "en" and len(text) > 20:
        event.setdefault("ai", {})["reply"] = await complete(text)
    return event


def serve_each(broker: KafkaBroker, job: ContenderConfig, complete: Complete) -> None:
    @broker.subscriber(job.requests, group_id=job.group, auto_offset_reset="earliest", **job.options)  # type: ignore[call-overload]
    @broker.publisher(job.replies)
    async def serve(event: Event, message: KafkaMessage) -> KafkaResponse:
        record = message.raw_message
        assert not isinstance(record, tuple)
        enriched = await enrich(event, complete)
        return KafkaResponse(enriched, key=record.key, headers=message.headers, timestamp_ms=record.timestamp)


def serve_batches(broker: KafkaBroker, job: ContenderConfig, complete: Complete) -> None:
    publisher = broker.publisher(job.replies)

    @broker.subscriber(
        job.requests,
        group_id=job.group,
        auto_offset_reset="earliest",
        batch=True,
        ack_policy=AckPolicy.ACK,
        **job.options,  # type: ignore[call-overload]
    )
    async def serve(events: list[Event], message: KafkaMessage) -> None:
        records = message.raw_message
        assert isinstance(records, tuple)
        enriched = await asyncio.gather(*(enrich(event, complete) for event in events))
        await asyncio.gather(
            *(
                publisher.publish(
                    event,
                    key=record.key,
                    headers={name: value.decode() for name, value in record.headers},
                    timestamp_ms=record.timestamp,
                )
                for event, record in zip(enriched, records, strict=True)
            )
        )
