"""Kafka, as a worker will find it: does it answer, are the topics there, are transactions to be had."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from carteiro.cli.doctor.finding import Finding
from carteiro.worker.delivery.modes import choose
from carteiro.worker.kafka.reaching import KafkaUnusable, admin_client, why_unreachable
from carteiro.worker.settings import WorkerSettings
from carteiro.worker.task import Task


async def check_kafka(
    tasks: Sequence[Task[Any, Any]], settings: WorkerSettings, options: dict[str, Any]
) -> AsyncIterator[Finding]:
    """One finding after the other; nothing more where no broker answers."""
    if reason := await why_unreachable(options):
        advice = "start it (`carteiro up` brings one), or set CARTEIRO_BOOTSTRAP_SERVERS and CARTEIRO_SECURITY_PROTOCOL"
        yield Finding("broker", "fault", str(reason), advice)
        return
    yield Finding("broker", "ok", f"{settings.bootstrap_servers} answers over {settings.security_protocol}")
    try:
        async with admin_client(options) as admin:
            async for finding in _topics(admin, tasks, settings):
                yield finding
    except KafkaError as error:
        advice = "allow this user to describe its topics: docs/kafka-security.md"
        yield Finding("topics", "fault", f"Kafka does not say: {error!r}", advice)
    yield await _transactions(tasks, settings, options)


async def _topics(
    admin: AIOKafkaAdminClient, tasks: Sequence[Task[Any, Any]], settings: WorkerSettings
) -> AsyncIterator[Finding]:
    there = set(await admin.list_topics())
    for task in tasks:
        names = settings.topics
        wanted = [names.requests(task.name), names.replies(task.name), names.dead(task.name)]
        if settings.batches:
            wanted.append(names.waiting(task.name))
        if missing := [each for each in wanted if each not in there]:
            advice = (
                "`carteiro topics create`, unless the broker creates topics by itself; or this user may not see them"
            )
            yield Finding(f"topics of {task.name}", "warning", f"there is no {', no '.join(missing)}", advice)
            continue
        described = {each["topic"]: len(each["partitions"]) for each in await admin.describe_topics(wanted)}
        partitions = described[names.requests(task.name)]
        yield Finding(f"topics of {task.name}", "ok", f"{partitions} partitions of requests")


async def _transactions(tasks: Sequence[Task[Any, Any]], settings: WorkerSettings, options: dict[str, Any]) -> Finding:
    group = settings.group_of(tasks[0].name)
    try:
        mode = await choose(settings.delivery, options, group)
    except KafkaUnusable as error:
        return Finding("transactions", "fault", str(error), "")
    if mode == "exactly_once":
        return Finding("transactions", "ok", "replies and commits go in one transaction: exactly_once")
    if settings.delivery == "at_least_once":
        return Finding("transactions", "ok", "not used: CARTEIRO_DELIVERY is at_least_once")
    advice = f"on Apache Kafka, allow transactional ids that begin with {group}-"
    return Finding("transactions", "warning", "the broker opens none: delivering at_least_once", advice)
