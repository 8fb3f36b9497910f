"""The names of topics."""

import re
from dataclasses import dataclass

_LEGAL = re.compile(r"[a-zA-Z0-9._-]{1,249}")


def is_topic_name(name: str) -> bool:
    """Whether Kafka allows the name (`org.apache.kafka.common.internals.Topic`).

    Asking a broker about any other name is worse than an error: clients keep the name in their list of
    topics, and the broker then turns down every refresh of it.
    """
    return _LEGAL.fullmatch(name) is not None and name not in (".", "..")


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of the tasks, all under one prefix."""

    prefix: str = "llm"

    def requests(self, task: str) -> str:
        """Where a task's requests are dropped."""
        return f"{self.prefix}.{task}.requests"

    def replies(self, task: str) -> str:
        """Where replies go when a request names no other place."""
        return f"{self.prefix}.{task}.replies"

    def dead(self, task: str) -> str:
        """Where requests are kept that were given up."""
        return f"{self.prefix}.{task}.dead"

    def waiting(self, task: str) -> str:
        """Where requests stand that can wait for a provider's batch."""
        return f"{self.prefix}.{task}.waiting"

    def batches(self, task: str) -> str:
        """Where it is kept which batches are open for those; compacted."""
        return f"{self.prefix}.{task}.batches"

    def conversations(self, task: str) -> str:
        """Where what was said in a task's conversations is kept; compacted."""
        return f"{self.prefix}.{task}.conversations"
