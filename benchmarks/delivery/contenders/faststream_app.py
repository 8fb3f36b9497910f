"""FastStream as its first page shows it, with its defaults but for one: it starts with the oldest request.

With them it commits by the clock, so that a crash loses the requests in work. `ack_policy: ack` acknowledges a request
after its reply is confirmed; `max_workers` runs many at once, and loses as many.
"""

import logging
from typing import Any

from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker
from pydantic import BaseModel

from benchmarks.delivery.contenders.completing import completing
from benchmarks.delivery.job import Job


class Request(BaseModel):
    prompt: str


class Result(BaseModel):
    text: str


class Reply(BaseModel):
    status: str
    result: Result


async def run(job: Job) -> None:
    logger = logging.getLogger("bench")
    logger.setLevel(job.log_number)
    broker = KafkaBroker(job.bootstrap, logger=logger)
    options: dict[str, Any] = dict(job.options)
    if "ack_policy" in options:
        options["ack_policy"] = AckPolicy(options["ack_policy"])

    async with completing(job) as complete:

        @broker.subscriber(job.requests, group_id=job.group, auto_offset_reset="earliest", **options)
        @broker.publisher(job.replies)
        async def serve(request: Request) -> Reply:
            return Reply(status="ok", result=Result(text=await complete(request.prompt)))

        await FastStream(broker, logger=logger).run(log_level=job.log_number)
