"""The model behind a worker of Carteiro: from the request on a topic to the reply on another."""

import asyncio
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.broker import temporary_topics
from benchmarks.local.workload import ContenderResult, WorkItem
from benchmarks.process import program_path, run_process
from carteiro.models.local.transformers.placement import Placement

_START_SECONDS = 180.0
_PARTITIONS = 3


async def run_carteiro(
    task: str, directory: Path, work: Sequence[WorkItem], machine: Placement, bootstrap: str, log: Path
) -> ContenderResult:
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
    command = [program_path("faststream"), "run", f"services.app:{task}"]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed")
    async with (
        temporary_topics(bootstrap, requests, replies, _PARTITIONS),
        AIOKafkaProducer(bootstrap_servers=bootstrap) as producer,
    ):
        with run_process(command, settings, log):
            async with consumer:
                consumer.assign([TopicPartition(replies, number) for number in range(_PARTITIONS)])
                await consumer.seek_to_beginning()
                for number in range(_PARTITIONS):
                    await producer.send_and_wait(requests, _body(task, work[0]), partition=number)
                async with asyncio.timeout(_START_SECONDS):
                    for _ in range(_PARTITIONS):
                        await consumer.getone()
                outcome = ContenderResult("Carteiro, Kafka to Kafka")
                began = time.perf_counter()
                for number, item in enumerate(work):
                    name = [("correlation_id", b"%d" % number)]
                    await producer.send(requests, _body(task, item), headers=name, partition=number % _PARTITIONS)
                for _ in work:
                    record: Any = await consumer.getone()
                    outcome.answered_at.append(time.perf_counter() - began)
                    reply = json.loads(record.value)
                    item = work[int(dict(record.headers)["correlation_id"])]
                    outcome.tokens += reply["usage"]["output_tokens"]
                    outcome.texts[item.text] = reply["result"]["text" if task == "generate" else "label"]
    return outcome


def _body(task: str, item: WorkItem) -> bytes:
    if task == "sentiment":
        return json.dumps({"text": item.text}).encode()
    return json.dumps({"prompt": item.text, "options": {"max_output_tokens": item.max_tokens}}).encode()
