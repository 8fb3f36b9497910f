"""Requests whose cause of failure is fixed: `carteiro dead redrive` brings them one reply each."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.containers import audit
from tests.containers.cluster import Cluster
from tests.containers.conftest import ApacheKafka
from tests.provider import ScriptedProvider

pytestmark = [pytest.mark.containers, pytest.mark.timeout(200)]


async def dead(cluster: Cluster, *arguments: str) -> str:
    """Run `carteiro dead ...` on the cluster's topics, and return its output."""
    settings = {"CARTEIRO_BOOTSTRAP_SERVERS": cluster.address, "CARTEIRO_TOPIC_PREFIX": cluster.group}
    command = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("carteiro")),
        "dead",
        *arguments,
        env=os.environ | settings | {"COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await command.communicate()
    assert command.returncode == 0, output.decode()
    return output.decode()


async def test_fixed_request_gets_its_reply(kafka: ApacheKafka, model: ScriptedProvider):
    model.when("poison", "500")
    cluster = Cluster(kafka.address, model, "redrive", partitions=2)
    async with cluster, cluster.traffic() as traffic:
        await cluster.start_and_wait("a")
        poison = await traffic.send(["poison one", "poison two"], key="k")
        others = await traffic.send(f"fine {number}" for number in range(20))
        await traffic.wait_until_answered(traffic.prompts)
        await eventually(lambda: len(traffic.dead_letters) == 2)
        letters = [json.loads(line) for line in (await dead(cluster, "list", "generate", "--json")).splitlines()]
        assert {letter["correlation_id"] for letter in letters} == set(poison)
        first = traffic.dead_letters[0]
        shown = await dead(cluster, "show", f"{first.topic}/{first.partition}/{first.offset}")
        assert "poison" in shown
        assert "HTTP status 500" in shown

        model.clear("poison")
        await dead(cluster, "redrive", "generate", "--dry-run")
        assert len(traffic.replies) == len(traffic.prompts)
        await dead(cluster, "redrive", "generate", "--yes")
        await eventually(lambda: len(traffic.replies) == len(traffic.prompts) + 2)
        again = traffic.replies[-2:]
        assert {dict(record.headers)["correlation_id"].decode() for record in again} == set(poison)
        assert {json.loads(record.value)["status"] for record in again} == {"ok"}
        assert {record.key for record in again} == {b"k"}

        # The redrive is recorded.
        assert not await dead(cluster, "list", "generate", "--json")
        await dead(cluster, "redrive", "generate", "--yes")
        await cluster.stop()
        replies = await audit.count_by_correlation_id(cluster.address, cluster.topics[1], cluster.isolation_level)
        assert {each: replies[each] for each in poison} == dict.fromkeys(poison, 2)
        assert {replies[each] for each in others} == {1}
        assert not await cluster.lag()
