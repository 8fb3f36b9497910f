"""Kafka's topics and users in the manifests: a user has exactly the rights that its workers need."""

import re
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from aiokafka import TopicPartition

from carteiro.enrichment.enrichment_file import load_enrichment_file
from carteiro.kafka import guarantee
from carteiro.tasks.discovery import find_tasks
from carteiro.tasks.topic_specs import JOURNAL_CONFIG
from carteiro.wire.topics import Topics
from carteiro.worker.delivery.transactional import TransactionalDelivery
from tests.manifests import Manifest, of_kind, workers
from tests.unit.k8s.conftest import Render
from tests.unit.worker.delivery.fake_consumer import FakeConsumer
from tests.unit.worker.delivery.fake_kafka import FakeKafka

ROOT = Path(__file__).parents[3]

TASKS = [task.name for task in find_tasks()]


def rights(user: Manifest) -> set[tuple[str, str, str]]:
    """Return the rights of a KafkaUser. Patterns are written with a `*`."""
    return {
        (acl["resource"]["type"], acl["resource"]["name"] + "*" * (acl["resource"]["patternType"] == "prefix"), each)
        for acl in user["spec"]["authorization"]["acls"]
        for each in acl["operations"]
    }


def test_user_has_exactly_the_rights_of_its_workers(render: Render):
    """`tests/containers/test_security.py` shows that these rights are enough."""
    manifests = render("cloud", "strimzi")
    topics, users = of_kind(manifests, "KafkaTopic"), of_kind(manifests, "KafkaUser")
    used = set()
    for task in find_tasks():
        name, group = task.name, f"carteiro-{task.name}"
        expected = {
            ("topic", Topics().requests(name), "Read"),
            ("topic", Topics().replies(name), "Write"),
            ("topic", Topics().dead(name), "Write"),
        }
        if task.keeps_conversations:
            expected |= {("topic", Topics().conversations(name), each) for each in ("Read", "Write")}
        if task.shares_model:
            expected |= {("topic", Topics().journal(name), each) for each in ("Read", "Write")}
        expected |= {("topic", topic, "Describe") for _, topic, _ in expected}
        used |= {topic for _, topic, _ in expected}
        expected |= {("group", group, "Read")}
        expected |= {("transactionalId", f"{group}-*", each) for each in ("Write", "Describe")}
        assert rights(users[group]) == expected
    assert set(topics) == used
    for task, deployment in workers(manifests).items():
        secrets = {
            each["secret"]["secretName"]
            for each in deployment["spec"]["template"]["spec"]["volumes"]
            if each["name"] == "kafka-user"
        }
        assert secrets == {f"carteiro-{task}"}


def test_batch_users_may_defer_requests_and_serve_deferred_ones(render: Render):
    """`tests/containers/test_security.py` shows that these rights are enough."""
    manifests = render("cloud", "strimzi", "batches", "strimzi-batches")
    without_batches = of_kind(render("cloud", "strimzi"), "KafkaUser")
    topics, users = of_kind(manifests, "KafkaTopic"), of_kind(manifests, "KafkaUser")
    taken_up = set()
    for task in TASKS:
        deferred, batches = Topics().deferred(task), Topics().batches(task)
        assert topics[deferred]["spec"] | {"config": 0} == topics[batches]["spec"] | {"config": 0}
        assert topics[batches]["spec"]["config"]["cleanup.policy"] == "compact"
        deferral_rights = {("topic", deferred, each) for each in ("Write", "Describe")}
        assert rights(users[f"carteiro-{task}"]) == rights(without_batches[f"carteiro-{task}"]) | deferral_rights
        taken_up |= {("topic", deferred, "Read"), ("topic", deferred, "Describe")}
        taken_up |= {("topic", batches, each) for each in ("Read", "Write", "Describe")}
        taken_up |= {
            ("topic", topic(task), each)
            for topic in (Topics().replies, Topics().dead)
            for each in ("Write", "Describe")
        }
        group = f"carteiro-{task}-batch"
        taken_up |= {("group", group, "Read"), ("transactionalId", f"{group}-*", "Write")}
        taken_up |= {("transactionalId", f"{group}-*", "Describe")}
    assert rights(users["carteiro-batch"]) == taken_up


def test_batch_service_reaches_kafka_as_the_others_do_in_any_order_of_components(render: Render):
    one = render("cloud", "batches", "strimzi", "strimzi-batches")
    other = render("cloud", "strimzi", "batches", "strimzi-batches")
    assert of_kind(one, "Deployment")["carteiro-batch"] == of_kind(other, "Deployment")["carteiro-batch"]


def test_conversations_topic_has_the_partitions_of_the_requests_and_is_compacted(render: Render):
    topics = of_kind(render("cloud", "strimzi"), "KafkaTopic")
    for task in find_tasks():
        if task.keeps_conversations:
            kept, requests = (
                topics[Topics().conversations(task.name)]["spec"],
                topics[Topics().requests(task.name)]["spec"],
            )
            assert kept["partitions"] == requests["partitions"]
            assert kept["config"]["cleanup.policy"] == "compact"
            assert "retention.ms" not in kept["config"]
            assert "cleanup.policy" not in requests["config"]
            assert "retention.ms" in requests["config"]


def test_journal_has_the_partitions_of_the_requests_and_forgets(render: Render):
    topics = of_kind(render("cloud", "strimzi"), "KafkaTopic")
    for task in find_tasks():
        if task.shares_model:
            journal = topics[Topics().journal(task.name)]["spec"]
            assert journal["partitions"] == topics[Topics().requests(task.name)]["spec"]["partitions"]
            assert journal["config"].items() >= JOURNAL_CONFIG.items()


async def test_workers_transactional_ids_are_allowed(render: Render, monkeypatch):
    class ProducerOpened(Exception):
        pass

    def open_producer(options: dict[str, Any], transactional_id: str, **_: Any) -> None:
        raise ProducerOpened(transactional_id)

    monkeypatch.setattr(guarantee, "transactional_producer", open_producer)
    (allowed,) = {
        name.removesuffix("*")
        for kind, name, _ in rights(of_kind(render("cloud", "strimzi"), "KafkaUser")["carteiro-chat"])
        if kind == "transactionalId"
    }
    with pytest.raises(ProducerOpened, match=f"^{allowed}probe$"):
        await guarantee.select_guarantee("auto", {}, "carteiro-chat")
    lane = Mock(group="carteiro-chat", partition=TopicPartition(Topics().requests("chat"), 0))
    with pytest.raises(ProducerOpened, match=f"^{allowed}llm.chat.requests-0$"):
        await TransactionalDelivery({}, lane, create_producer=open_producer).open(FakeConsumer(FakeKafka()))  # type: ignore[arg-type]


def test_enrich_user_has_rights_on_the_topics_of_the_example_and_their_journal(render: Render):
    """`tests/containers/test_security.py` shows that these rights are enough."""
    manifests = render("cloud", "strimzi", "enrich", "strimzi-enrich")
    topics = of_kind(manifests, "KafkaTopic")
    file = load_enrichment_file(ROOT / "examples/enrich/reviews.yaml")
    name, group = file.served_name, f"carteiro-{file.served_name}"
    expected = {
        ("topic", file.source, "Read"),
        ("topic", file.target, "Write"),
        ("topic", Topics().dead(name), "Write"),
        *(("topic", Topics().journal(name), each) for each in ("Read", "Write")),
    }
    used = {topic for _, topic, _ in expected}
    assert used == {topic for topic in topics if topic not in of_kind(render("cloud", "strimzi"), "KafkaTopic")}
    expected |= {("topic", topic, "Describe") for topic in used}
    expected |= {("group", group, "Read")}
    expected |= {("transactionalId", f"{group}-*", each) for each in ("Write", "Describe")}
    assert rights(of_kind(manifests, "KafkaUser")["carteiro-enrich"]) == expected
    journal = topics[Topics().journal(name)]["spec"]
    assert journal["partitions"] == topics[file.source]["spec"]["partitions"]
    assert journal["config"].items() >= JOURNAL_CONFIG.items()


def test_documented_rights_are_those_of_the_users(render: Render):
    components = ("strimzi", "batches", "strimzi-batches", "enrich", "strimzi-enrich")
    users = of_kind(render("cloud", *components), "KafkaUser")
    _, _, section = (ROOT / "docs/run/kafka-security.md").read_text().partition("## What a worker has to be allowed")
    of_workers, of_batch, of_enrichment = map(documented, section.split("\nAnd the "))
    generate, chat, deferred, enrich = (
        {(name, each) for _, name, each in rights(users[f"carteiro-{user}"])}
        for user in ("generate", "chat", "batch", "enrich")
    )
    ours = {each for each in of_workers if "chat" not in each[0]}
    assert ours == generate
    assert of_workers - ours == {each for each in chat if "conversations" in each[0]}
    assert of_enrichment == enrich
    assert of_batch == {each for each in deferred if "generate" in each[0]}


def documented(section: str) -> set[tuple[str, str]]:
    """Return the rights in a document's table."""
    found = set()
    for line in section.splitlines():
        if line.startswith("| ") and "`" in line.split("|")[1]:
            _, resources, operations, _ = line.split("|")
            star = "*" * ("begin with" in resources)
            for name in re.findall("`([^`]+)`", resources):
                found |= {(name + star, each.strip()) for each in operations.split(";")[0].split(",")}
    return found
