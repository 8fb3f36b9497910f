"""FastStream as in its first example, with one change of its defaults: it starts with the oldest request.

By default it commits on a timer, so a crash loses the running requests. `ack_policy: ack` acknowledges a request
after its reply is confirmed. `max_workers` runs many at once, and loses as many.
"""

import logging
from typing import Any

from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker
from pydantic import BaseModel

from benchmarks.delivery.contender_config import ContenderConfig
from benchmarks.delivery.contenders.completion import open_completion


class BenchmarkRequest(BaseModel):
    prompt: str


class BenchmarkResult(BaseModel):
    text: str


class BenchmarkReply(BaseModel):
    status: str
    result: BenchmarkResult


async def run(job: ContenderConfig) -> None:
    logger = logging.getLogger("bench")
    logger.setLevel(job.log_level_number)
    broker = KafkaBroker(job.bootstrap, logger=logger)
    options: dict[str, Any] = dict(job.options)
    if "ack_policy" in options:
        options["ack_policy"] = AckPolicy(options["ack_policy"])

    async with open_completion(job) as complete:

        @broker.subscriber(job.requests, group_id=job.group, auto_offset_reset="earliest", **options)
        @broker.publisher(job.replies)
        async def serve(request: BenchmarkRequest) -> BenchmarkReply:
            return BenchmarkReply(status="ok", result=BenchmarkResult(text=await complete(request.prompt)))

        await FastStream(broker, logger=logger).run(log_level=job.log_level_number)
