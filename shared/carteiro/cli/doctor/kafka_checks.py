"""Checks of Kafka for a worker: a broker answers, the topics exist, transactions work."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from carteiro.cli.doctor.broker_checks import check_brokers, check_topics
from carteiro.cli.doctor.finding import Finding
from carteiro.cli.plural import pluralise
from carteiro.cli.relay import CLUSTER_ID
from carteiro.kafka.connection import (
    AdvertisedListenerUnreachable,
    KafkaUnusable,
    admin_client,
    probe_connection,
)
from carteiro.kafka.guarantee import select_guarantee
from carteiro.settings.worker import WorkerSettings
from carteiro.tasks.task import Task


async def check_kafka(
    tasks: Sequence[Task[Any, Any]], settings: WorkerSettings, options: dict[str, Any]
) -> AsyncIterator[Finding]:
    """Yield the findings one after the other; only the first if no broker answers."""
    if reason := await probe_connection(options):
        advice = "start it (`carteiro up` brings one), or set CARTEIRO_BOOTSTRAP_SERVERS and CARTEIRO_SECURITY_PROTOCOL"
        yield Finding(
            "broker", "fault", str(reason), "" if isinstance(reason, AdvertisedListenerUnreachable) else advice
        )
        return
    yield Finding("broker", "ok", f"{settings.bootstrap_servers} answers over {settings.security_protocol}")
    embedded = False
    try:
        async with admin_client(options) as admin:
            embedded = (await admin.describe_cluster()).get("cluster_id") == CLUSTER_ID
            async for finding in check_brokers(admin, options):
                yield finding
            async for finding in _check_task_topics(admin, tasks, settings):
                yield finding
    except KafkaError as error:
        advice = "allow this user to describe its topics: docs/run/kafka-security.md"
        yield Finding("topics", "fault", f"Kafka does not say: {error!r}", advice)
    yield await _check_transactions(tasks, settings, options, embedded=embedded)


async def _check_task_topics(
    admin: AIOKafkaAdminClient, tasks: Sequence[Task[Any, Any]], settings: WorkerSettings
) -> AsyncIterator[Finding]:
    there = set(await admin.list_topics())
    for task in tasks:
        names = settings.topics
        wanted = [names.requests(task.name), names.replies(task.name), names.dead(task.name)]
        if settings.batches:
            wanted.append(names.deferred(task.name))
        if missing := [each for each in wanted if each not in there]:
            advice = (
                "`carteiro topics create`, unless the broker creates topics by itself; or this user may not see them"
            )
            yield Finding(f"topics of {task.name}", "warning", f"there is no {', no '.join(missing)}", advice)
            continue
        described = {each["topic"]: len(each["partitions"]) for each in await admin.describe_topics(wanted)}
        partitions = described[names.requests(task.name)]
        yield Finding(f"topics of {task.name}", "ok", f"{pluralise(partitions, 'partition')} of requests")
        for finding in await check_topics(admin, wanted, settings.max_produce_bytes):
            yield finding


async def _check_transactions(
    tasks: Sequence[Task[Any, Any]], settings: WorkerSettings, options: dict[str, Any], *, embedded: bool
) -> Finding:
    group = settings.group_of(tasks[0].name)
    try:
        mode = await select_guarantee(settings.delivery, options, group)
    except KafkaUnusable as error:
        return Finding("transactions", "fault", str(error), "")
    if mode == "exactly_once":
        return Finding("transactions", "ok", "replies and commits go in one transaction: exactly_once")
    if settings.delivery == "at_least_once":
        return Finding("transactions", "ok", "not used: CARTEIRO_DELIVERY is at_least_once")
    if embedded:
        message = "the embedded broker has none: at_least_once; Apache Kafka has them, for exactly_once"
        return Finding("transactions", "ok", message)
    advice = f"on Apache Kafka, allow transactional ids that begin with {group}-"
    return Finding("transactions", "warning", "the broker opens none: delivering at_least_once", advice)
