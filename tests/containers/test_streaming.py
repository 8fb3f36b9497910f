"""Streamed replies in transactions: chunks are seen at once and may come twice, the reply comes once."""

import asyncio
import json

import pytest

from tests.conftest import eventually
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider
from tests.provider.completions import complete
from tests.provider.streams import begin, pieces, write

pytestmark = [pytest.mark.containers, pytest.mark.long, pytest.mark.timeout(180)]

TEXT = "stream one two three four"


def final(record):
    return dict(record.headers)["final"] == b"true"


async def test_worker_that_dies_during_a_stream_leaves_chunks_and_one_reply(
    kafka: ApacheKafka, model: ScriptedProvider
):
    half_way = True

    async def answer(request, body):
        response = await begin(request)
        for number, event in enumerate(pieces(body, complete(body))):
            if half_way and number == 3:
                await asyncio.Event().wait()
            await write(response, event)
        await response.write(b"data: [DONE]\n\n")
        return response

    model.when("stream", answer)
    cluster = Cluster(kafka.address, model, "streaming", static=True)
    async with cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait("a")
        (request_id,) = await traffic.send([TEXT], options={"stream": True})
        # The reader is at `read_committed`, and nothing is committed yet.
        await eventually(lambda: [json.loads(each.value)["status"] for each in traffic.replies] == ["partial"])
        cluster.kill("a")
        half_way = False
        cluster.start("a")
        await eventually(lambda: any(final(each) for each in traffic.replies))
        await cluster.stop()
        records = traffic.replies
        first, *later = [json.loads(each.value) for each in records if not final(each)]
        (whole,) = [json.loads(each.value) for each in records if final(each)]
        assert final(records[-1])
        assert whole["result"]["text"] == TEXT
        assert {each["attempt"] for each in later}.isdisjoint({first["attempt"]})
        assert [each["seq"] for each in later] == list(range(len(later)))
        assert "".join(each["text"] for each in later) == TEXT
        assert {dict(each.headers)["correlation_id"] for each in records} == {request_id.encode()}
        assert not await cluster.lag()
