"""A worker that is killed in a summary of 40 parts: the next one makes only the calls that are missing."""

import asyncio
import json

import pytest
from aiokafka import TopicPartition

from carteiro.cli.embedded import EmbeddedBroker
from carteiro.client import Carteiro
from carteiro.kafka.compacted_topic import read_compacted
from carteiro.wire.dead_letter import read_dead_letter, redrive_record
from carteiro.worker.app import worker
from carteiro.worker.model_calls import circuit_breaker, retry
from services.summarize.task import task
from tests.broker.conftest import environment
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.broker.worker_process import WorkerProcess
from tests.conftest import eventually, eventually_true
from tests.provider import ScriptedProvider
from tests.provider.summaries import SummaryModel, long_text

PARTS = 40


async def test_killed_summary_goes_on_after_its_finished_calls(broker: EmbeddedBroker):
    async with ScriptedProvider() as provider, Carteiro(broker.address, topic_prefix="journal", timeout=60) as carteiro:
        model = SummaryModel(answers=20)
        provider.when("", model)
        settings = environment(broker, provider) | {
            "CARTEIRO_TOPIC_PREFIX": "journal",
            "CARTEIRO_SESSION_TIMEOUT_SECONDS": "1",
            "CARTEIRO_SUMMARIZE_MODEL": f"{provider.url}#summaries",
        }
        with WorkerProcess("summarize", **settings) as first:
            summary = asyncio.create_task(carteiro.summarize(long_text("part", PARTS)))
            await eventually_true(lambda: first.has_kept(20))
            first.kill()
            interrupted = model.calls.total() - 20
            model.answers = None
        with WorkerProcess("summarize", **settings) as second:
            reply = await summary
            assert reply.result.parts == PARTS
            assert model.calls.total() == PARTS + 1 + interrupted, "each part, and the summary of summaries"
            assert (reply.usage.reused_calls, reply.usage.output_tokens) == (20, (PARTS + 1) * 300)
            options = {"bootstrap_servers": [broker.address], "security_protocol": "PLAINTEXT"}

            async def is_empty() -> bool:
                partitions = [TopicPartition("journal.summarize.journal", each) for each in range(3)]
                return not any([(await read_compacted(options, each))[0] for each in partitions])

            await eventually_true(is_empty)
            assert long_text("part", 1).split()[0] not in second.output


async def test_redriven_summary_finds_the_calls_of_its_dead_letter(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (circuit_breaker, retry):
        monkeypatch.setattr(module, "_FIRST_PAUSE", 0.001)
        monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.01)
    async with ScriptedProvider() as provider:
        model = SummaryModel()
        model.failing = "part-039"
        provider.when("", model)
        settings = environment(broker, provider) | {
            "CARTEIRO_TOPIC_PREFIX": "redriven",
            "CARTEIRO_SUMMARIZE_MODEL": f"{provider.url}#summaries",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        app = worker(task)
        await app.start()
        requests, text = "redriven.summarize.requests", long_text("part", PARTS)
        async with (
            RawKafkaClient(broker.address, "redriven.summarize.replies") as replies,
            RawKafkaClient(broker.address, "redriven.summarize.dead") as letters,
        ):
            refused, _ = await replies.ask(requests, {"text": text})
            assert refused["error"]["code"] == "model_unavailable"
            paid = model.calls.total()
            await eventually(lambda: letters.records)
            redriven = redrive_record(read_dead_letter(letters.records[0]), requests)
            model.failing = ""
            await replies.send(requests, redriven.value, list(redriven.headers), partition=redriven.partition)
            await eventually(lambda: len(replies.records) == 2)
            reply = json.loads(replies.records[1].value)
        await app.stop()
        assert reply["result"]["parts"] == PARTS
        assert model.calls.total() == PARTS + 1
        assert reply["usage"]["reused_calls"] == paid
        assert reply["usage"]["output_tokens"] == (PARTS + 1 - paid) * 300, "the first reply has told the others"


async def test_worker_killed_while_an_answer_is_in_the_background_makes_no_call_twice(broker: EmbeddedBroker):
    async with ScriptedProvider() as provider, Carteiro(broker.address, topic_prefix="air", timeout=60) as carteiro:
        provider.background.hold()
        settings = environment(broker, provider) | {
            "CARTEIRO_TOPIC_PREFIX": "air",
            "CARTEIRO_SESSION_TIMEOUT_SECONDS": "1",
            "CARTEIRO_MODEL": "openai:gpt-5-pro",
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": provider.url,
            "CARTEIRO_BACKGROUND": "true",
        }
        with WorkerProcess("generate", **settings) as first:
            answer = asyncio.create_task(carteiro.generate("one two three"))
            await eventually_true(lambda: first.has_kept(1))
            first.kill()
        provider.background.release()
        with WorkerProcess("generate", **settings):
            reply = await answer
        assert (reply.result.text, provider.calls.total()) == ("one two three", 1)
        assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.reused_calls) == (3, 3, 1)
        assert provider.background.of("cancel") == []
