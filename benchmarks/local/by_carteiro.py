"""The model behind a worker of Carteiro: from the request on a topic to the reply on another."""

import asyncio
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.broker import topics
from benchmarks.local.work import Asked, Outcome
from benchmarks.program import program, running
from carteiro.models.local.machine import Machine

_START_SECONDS = 180.0
_PARTITIONS = 3


async def carteiro(
    task: str, directory: Path, work: Sequence[Asked], machine: Machine, bootstrap: str, log: Path
) -> Outcome:
    """Start a worker, wait for its first reply, then send everything at once."""
    prefix = f"bench-local-{os.getpid()}"
    requests, replies = f"{prefix}.{task}.requests", f"{prefix}.{task}.replies"
    settings = {
        "CARTEIRO_BOOTSTRAP_SERVERS": bootstrap,
        "CARTEIRO_TOPIC_PREFIX": prefix,
        "CARTEIRO_GROUP": prefix,
        "CARTEIRO_MODEL": f"local:{directory}",
        "CARTEIRO_MODEL_TIMEOUT_SECONDS": "1800",
        "CARTEIRO_LOCAL_DEVICE": str(machine.device),
        "CARTEIRO_LOCAL_DTYPE": str(machine.dtype).removeprefix("torch."),
        "CARTEIRO_HTTP_PORT": "0",
        "CARTEIRO_LOG_LEVEL": "warning",
    }
    command = [program("faststream"), "run", f"services.{task}.app:app"]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed")
    async with (
        topics(bootstrap, requests, replies, _PARTITIONS),
        AIOKafkaProducer(bootstrap_servers=bootstrap) as producer,
    ):
        with running(command, settings, log):
            async with consumer:
                consumer.assign([TopicPartition(replies, number) for number in range(_PARTITIONS)])
                await consumer.seek_to_beginning()
                for number in range(_PARTITIONS):
                    await producer.send_and_wait(requests, _body(task, work[0]), partition=number)
                async with asyncio.timeout(_START_SECONDS):
                    for _ in range(_PARTITIONS):
                        await consumer.getone()
                outcome = Outcome("Carteiro, Kafka to Kafka")
                began = time.perf_counter()
                for number, asked in enumerate(work):
                    name = [("correlation_id", b"%d" % number)]
                    await producer.send(requests, _body(task, asked), headers=name, partition=number % _PARTITIONS)
                for _ in work:
                    record: Any = await consumer.getone()
                    outcome.answered.append(time.perf_counter() - began)
                    reply = json.loads(record.value)
                    asked = work[int(dict(record.headers)["correlation_id"])]
                    outcome.tokens += reply["usage"]["output_tokens"]
                    outcome.texts[asked.text] = reply["result"]["text" if task == "generate" else "label"]
    return outcome


def _body(task: str, asked: Asked) -> bytes:
    if task == "sentiment":
        return json.dumps({"text": asked.text}).encode()
    return json.dumps({"prompt": asked.text, "options": {"max_output_tokens": asked.limit}}).encode()
