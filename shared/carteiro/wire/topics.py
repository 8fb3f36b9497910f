"""Names of topics."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator

DEFAULT_PREFIX = "llm"
_RESERVED_SUFFIXES = frozenset({"requests", "dead", "deferred", "batches", "conversations", "documents", "journal"})
"""Last parts of the names of topics that hold requests or internal state of the services."""
_LEGAL = re.compile(r"[a-zA-Z0-9._-]{1,249}")


def is_topic_name(name: str) -> bool:
    """True if Kafka allows the name (`org.apache.kafka.common.internals.Topic`).

    To ask a broker about any other name is worse than an error: clients keep the name in their list of topics, and the
    broker then rejects every refresh of that list.
    """
    return _LEGAL.fullmatch(name) is not None and name not in (".", "..")


def _check_name(value: Any) -> Any:
    if isinstance(value, str) and not is_topic_name(value):
        raise ValueError("is no name of a topic: letters, digits, '.', '_' and '-', at most 249")
    return value


TopicName = Annotated[str, BeforeValidator(_check_name)]
"""Name of a topic that Kafka allows."""


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of the tasks, all under one prefix."""

    prefix: str = DEFAULT_PREFIX

    def is_reserved(self, name: str) -> bool:
        """True if no reply may go to the topic: it is internal to Kafka, or a task's topic other than its replies.

        Names that begin with an underscore are internal by custom (`__consumer_offsets`, `_schemas`).
        """
        inside = name.removeprefix(f"{self.prefix}.") if name.startswith(f"{self.prefix}.") else ""
        return name.startswith("_") or inside.rpartition(".")[2] in _RESERVED_SUFFIXES

    def group(self, task: str) -> str:
        """Return the default consumer group of a task's workers.

        Workers with another prefix than the default one have another group: members of one group that read different
        topics would interrupt each other.
        """
        return f"carteiro-{task}" if self.prefix == DEFAULT_PREFIX else f"carteiro-{self.prefix}-{task}"

    def requests(self, task: str) -> str:
        """Return the name of the topic of a task's requests."""
        return f"{self.prefix}.{task}.requests"

    def replies(self, task: str) -> str:
        """Return the name of the default topic of a task's replies."""
        return f"{self.prefix}.{task}.replies"

    def dead(self, task: str) -> str:
        """Return the name of the topic of a task's dead letters."""
        return f"{self.prefix}.{task}.dead"

    def deferred(self, task: str) -> str:
        """Return the name of the topic of requests that wait for a provider's batch."""
        return f"{self.prefix}.{task}.deferred"

    def batches(self, task: str) -> str:
        """Return the name of the compacted topic of a task's open batches."""
        return f"{self.prefix}.{task}.batches"

    def conversations(self, task: str) -> str:
        """Return the name of the compacted topic of a task's conversations."""
        return f"{self.prefix}.{task}.conversations"

    def journal(self, task: str) -> str:
        """Return the name of the compacted topic of finished calls of a task's unanswered requests."""
        return f"{self.prefix}.{task}.journal"

    def documents(self, task: str) -> str:
        """Return the name of the compacted topic of a collection's documents."""
        return f"{self.prefix}.{task}.documents"
