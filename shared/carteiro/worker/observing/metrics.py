"""What a worker counts, for Prometheus."""

from functools import cache
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from carteiro.schemas import ERROR_CODES

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
MODEL_SECONDS = Histogram(
    "gen_ai_client_operation_duration_seconds",
    "Calls of models, as OpenTelemetry names it; `error_type` is empty, or the error's code.",
    ["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "error_type"],
    buckets=(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
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
SET_ASIDE = Counter(
    "carteiro_set_aside",
    "Requests that can wait, handed to the service that gathers them.",
    ["task"],
    registry=REGISTRY,
)
WAITING = Gauge("carteiro_waiting", "Requests that wait for a batch.", ["task"], registry=REGISTRY)
OLDEST = Gauge(
    "carteiro_waiting_oldest_seconds",
    "How long the oldest of them has been waiting, by its record's timestamp.",
    ["task"],
    registry=REGISTRY,
)
BATCHES = Gauge(
    "carteiro_batches_open", "Batches that are not yet answered whole.", ["task", "model"], registry=REGISTRY
)
WENT_LIVE = Counter(
    "carteiro_waiting_went_live", "Calls made live, at the full price, to keep a promise.", ["task"], registry=REGISTRY
)
SAVED = Counter(
    "carteiro_saved_usd",
    "What batches have saved against the live price, in US dollars.",
    ["task", "model"],
    registry=REGISTRY,
)
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


def begin(task: str, topic: str) -> None:
    """Show at 0 what alerts look for, before it happens: to Prometheus a counter that appears at 1 has not risen."""
    of(REQUESTS, task)
    of(SET_ASIDE, task)
    of(WENT_LIVE, task)
    of(REPLIES, task, "ok")
    for code in ERROR_CODES:
        of(REPLIES, task, code)
        of(DEAD_LETTERS, task, code)
    of(LANE_FAILURES, topic)
