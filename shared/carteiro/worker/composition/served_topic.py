"""One topic that a worker serves, as its health and its page report it."""

from dataclasses import dataclass
from typing import Literal

from carteiro.worker.delivery.subscriber import LaneSubscriber
from carteiro.worker.model_calls.fallback import FallbackChain


@dataclass(frozen=True, slots=True)
class ServedTopic:
    """A task's requests, an enrichment's events, or a collection's documents."""

    name: str
    """The task's name, `enrich-` and the enrichment's, or `index-` and the collection's."""
    group: str
    """The consumer group."""
    chains: tuple[FallbackChain, ...]
    """Chains of the models that serve the topic."""
    subscriber: LaneSubscriber
    records: Literal["requests", "events", "documents"] = "requests"
