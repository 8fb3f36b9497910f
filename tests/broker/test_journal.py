"""A worker that is killed in a summary of 40 parts: the next one makes only the calls that are missing."""

import asyncio
import re

from aiokafka import TopicPartition

from carteiro.cli.embedded import EmbeddedBroker
from carteiro.client import Carteiro
from carteiro.kafka.compacted_topic import read_compacted
from tests.broker.conftest import environment
from tests.broker.worker_process import WorkerProcess
from tests.conftest import eventually_true
from tests.provider import ScriptedProvider
from tests.provider.summaries import SummaryModel, long_text

PARTS = 40
_KEPT = re.compile(r'carteiro_journal_calls_total\{outcome="kept",task="summarize"\} ([0-9.]+)')


async def kept_calls(worker: WorkerProcess) -> int:
    found = _KEPT.search((await asyncio.to_thread(worker.get, "/metrics"))[1])
    return int(float(found[1])) if found else 0


async def test_killed_summary_goes_on_after_its_finished_calls(broker: EmbeddedBroker):
    async with ScriptedProvider() as provider, Carteiro(broker.address, topic_prefix="journal", timeout=60) as carteiro:
        model = SummaryModel()
        provider.when("", model)
        settings = environment(broker, provider) | {
            "CARTEIRO_TOPIC_PREFIX": "journal",
            "CARTEIRO_SESSION_TIMEOUT_SECONDS": "1",
            "CARTEIRO_SUMMARIZE_MODEL": f"{provider.url}#summaries",
        }
        model.hang_at = 21
        with WorkerProcess("summarize", **settings) as first:
            summary = asyncio.create_task(carteiro.summarize(long_text("part", PARTS)))
            await model.hanging.wait()

            async def all_kept() -> bool:
                return await kept_calls(first) == 20

            await eventually_true(all_kept)
            first.kill()
        with WorkerProcess("summarize", **settings) as second:
            reply = await summary
            assert reply.result.parts == PARTS
            assert model.calls.total() == PARTS + 1 + 1, "each part, the summary of summaries, and one in flight"
            assert (reply.usage.reused_calls, reply.usage.output_tokens) == (20, (PARTS + 1) * 300)
            options = {"bootstrap_servers": [broker.address], "security_protocol": "PLAINTEXT"}

            async def is_empty() -> bool:
                partitions = [TopicPartition("journal.summarize.journal", each) for each in range(3)]
                return not any([(await read_compacted(options, each))[0] for each in partitions])

            await eventually_true(is_empty)
            assert long_text("part", 1).split()[0] not in second.output
