"""`kill -9` in summaries of 40 parts: only the calls in flight are made again, and nothing stays in the journal."""

import time
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from carteiro.kafka.compacted_topic import read_compacted
from tests.conftest import eventually, eventually_true
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.containers.traffic import Traffic
from tests.provider import ScriptedProvider
from tests.provider.summaries import SummaryModel, long_text

pytestmark = [pytest.mark.containers, pytest.mark.timeout(200)]

PARTS, KEPT = 40, 30


class SummaryTraffic(Traffic):
    """Requests whose prompts are the names of their texts."""

    def _body(self, prompt: str) -> dict[str, Any]:
        return {"text": long_text(prompt, PARTS)}


@pytest.mark.parametrize("mode", ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.long)])
async def test_killed_summaries_repeat_only_the_calls_in_flight(
    kafka: ApacheKafka, model: ScriptedProvider, mode: str
) -> None:
    texts, before, interrupted = 3, 0, 0
    summaries = SummaryModel(answers=KEPT)
    model.when("", summaries)
    settings = {"CARTEIRO_SUMMARIZE_MODEL": f"{model.url}#summaries"}
    cluster = Cluster(kafka.address, model, f"journal-{mode}", task="summarize", mode=mode, static=True, **settings)
    async with cluster, SummaryTraffic(kafka.address, cluster.topics, task="summarize") as traffic:
        await cluster.start_and_wait("a")
        await traffic.send(f"text{number}" for number in range(texts))
        for answers in (KEPT, None):
            await eventually_true(lambda: cluster.workers["a"].has_kept(KEPT))
            cluster.kill("a")
            await eventually(lambda: summaries.in_flight == 0)
            interrupted += summaries.calls.total() - before - KEPT
            before = summaries.calls.total()
            summaries.answers = answers and before + answers
            await cluster.start_and_wait("a")
        await traffic.wait_until_answered(traffic.prompts)
        again = summaries.calls.total() - texts * (PARTS + 1)
        print(f"{mode}: {again} of {summaries.calls.total()} calls made again, {interrupted} were in flight")
        assert again == interrupted
        replies = [traffic.reply(each) for each in traffic.prompts]
        assert all(reply["result"]["parts"] == PARTS for reply in replies)
        assert {reply["usage"]["output_tokens"] for reply in replies} == {300 * (PARTS + 1)}
        assert sum(reply["usage"]["reused_calls"] for reply in replies) == 2 * KEPT
        await cluster.stop_and_check(traffic)
        options = {"bootstrap_servers": [kafka.address], "security_protocol": "PLAINTEXT"}

        async def is_empty() -> bool:
            values, *_ = await read_compacted(options, TopicPartition(f"{cluster.group}.summarize.journal", 0))
            return not values

        await eventually_true(is_empty)


@pytest.mark.long
async def test_deleted_journal_holds_up_no_reply(docker: None, model: ScriptedProvider) -> None:
    with ApacheKafka().with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false") as kafka:
        await eventually_true(kafka.answers)
        await _delete_journal_in_a_summary(kafka, model)


async def _delete_journal_in_a_summary(kafka: ApacheKafka, model: ScriptedProvider) -> None:
    summaries = SummaryModel(answers=KEPT)
    model.when("", summaries)
    settings = {"CARTEIRO_SUMMARIZE_MODEL": f"{model.url}#summaries"}
    cluster = Cluster(kafka.address, model, "deleted-journal", task="summarize", **settings)
    async with cluster, SummaryTraffic(kafka.address, cluster.topics, task="summarize") as traffic:
        worker = await cluster.start_and_wait("a")
        (first,) = await traffic.send(["first"])
        await eventually_true(lambda: worker.has_kept(KEPT))
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
        await admin.start()
        await admin.delete_topics([f"{cluster.group}.summarize.journal"])
        await admin.close()
        summaries.answer_all()
        began = time.monotonic()
        await traffic.wait_until_answered([first])
        print(f"replied {time.monotonic() - began:.1f} s after the model")
        await traffic.wait_until_answered(await traffic.send(f"text{number}" for number in range(5)))
        assert worker.find_log_line("finished calls are not kept: a crash repeats them") is not None
        await cluster.stop_and_check(traffic)
