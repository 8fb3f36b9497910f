"""What a worker counts, for Prometheus."""

from functools import cache
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

MetricT = TypeVar("MetricT", Counter, Gauge, Histogram)

REGISTRY = CollectorRegistry()

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

REQUESTS = Counter("carteiro_requests", "Requests taken in.", ["task"], registry=REGISTRY)
REPLIES = Counter(
    "carteiro_replies",
    "Replies confirmed by the broker; code is `ok` or the error's.",
    ["task", "code"],
    registry=REGISTRY,
)
IN_FLIGHT = Gauge("carteiro_in_flight", "Requests taken in and not yet answered.", ["task"], registry=REGISTRY)
QUEUE_SECONDS = Histogram(
    "carteiro_queue_seconds",
    "From the request record's timestamp to its intake.",
    ["task"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
WORK_SECONDS = Histogram(
    "carteiro_work_seconds",
    "From intake until the result is there.",
    ["task", "model"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
TOKENS = Counter(
    "carteiro_tokens",
    "Tokens, as the model counts them; `cached_input` and `reasoning` are parts of `input` and `output`.",
    ["task", "model", "direction"],
    registry=REGISTRY,
)
COST = Counter("carteiro_cost_usd", "What tokens cost, in US dollars.", ["task", "model"], registry=REGISTRY)
READY = Gauge("carteiro_ready", "1 while the worker takes requests in.", registry=REGISTRY)
REPEATED = Counter(
    "carteiro_repeated", "Replies given again for the same `idempotency_key`.", ["task"], registry=REGISTRY
)
CACHE = Counter(
    "carteiro_cache",
    "Requests with `options.cache`; outcome is `hit` or `miss`.",
    ["task", "outcome"],
    registry=REGISTRY,
)
DEAD_LETTERS = Counter("carteiro_dead_letters", "Requests given up.", ["task", "code"], registry=REGISTRY)
PARKED = Gauge("carteiro_parked", "1 while no requests are taken because of this model.", ["model"], registry=REGISTRY)
LANE_FAILURES = Counter(
    "carteiro_lane_failures",
    "Times that a partition's delivery failed and was built anew.",
    ["topic"],
    registry=REGISTRY,
)
LANES_STALLED = Gauge(
    "carteiro_lanes_stalled", "Partitions that stand still although they have work.", ["topic"], registry=REGISTRY
)


@cache
def of(metric: MetricT, *labels: str) -> MetricT:
    """The metric with these labels, of which there are few: the library looks each up anew, which takes its time."""
    return metric.labels(*labels)
