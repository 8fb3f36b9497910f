"""The connection to Kafka of one command, and how it says that there is none."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from carteiro.cli.failing import EXIT_KAFKA, EXIT_USAGE, fail
from carteiro.wire.topics import Topics
from carteiro.worker.kafka.reaching import KafkaUnusable, admin_client, why_unreachable
from carteiro.worker.kafka.security import connection_options
from carteiro.worker.settings import KafkaSettings, SettingsInvalid, load_kafka_settings

_T = TypeVar("_T")


class KafkaFailed(Exception):
    """Kafka did not do what was asked of it. The message says what, and why."""


@dataclass(frozen=True, slots=True)
class Kafka:
    """A cluster that answers."""

    options: dict[str, Any]
    """What aiokafka's clients are given to reach it."""
    topics: Topics
    admin: AIOKafkaAdminClient
    existing: frozenset[str]
    """The topics that are there. Only these may be asked about: asking about another one may create it."""

    async def partitions(self, topic: str) -> list[int]:
        """The partitions of a topic that is there."""
        (found,) = await self.admin.describe_topics([topic])
        return sorted(each["partition"] for each in found["partitions"])


def settings() -> KafkaSettings:
    """Where Kafka is. Where that cannot be read, the command ends."""
    try:
        return load_kafka_settings()
    except SettingsInvalid as error:
        fail(str(error), EXIT_USAGE)


def with_kafka(given: KafkaSettings, work: Callable[[Kafka], Coroutine[Any, Any, _T]]) -> _T:
    """Do the work on a connection; where Kafka does not play along, the command ends."""
    try:
        return asyncio.run(_connected(given, work))
    except SettingsInvalid as error:
        fail(str(error), EXIT_USAGE)
    except (KafkaUnusable, KafkaFailed) as error:
        fail(str(error), EXIT_KAFKA)
    except KafkaError as error:
        fail(f"Kafka at {given.bootstrap_servers} turned the command away: {error!r}", EXIT_KAFKA)


async def _connected(given: KafkaSettings, work: Callable[[Kafka], Coroutine[Any, Any, _T]]) -> _T:
    options = connection_options(given)
    if reason := await why_unreachable(options):
        if isinstance(reason, KafkaUnusable):
            raise reason
        raise KafkaFailed(
            f"no Kafka broker answers at {given.bootstrap_servers}; is it running (`carteiro up`)? "
            "CARTEIRO_BOOTSTRAP_SERVERS says where"
        )
    async with admin_client(options) as admin:
        return await work(Kafka(options, given.topics, admin, frozenset(await admin.list_topics())))
