"""Metrics of a worker, for Prometheus."""

from functools import cache
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from carteiro.schemas import ERROR_CODES

MetricT = TypeVar("MetricT", Counter, Gauge, Histogram)

REGISTRY = CollectorRegistry()

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

REQUESTS = Counter(
    "carteiro_requests",
    "Requests taken in. Events and documents too, by the task `enrich-` or `index-` and the name of theirs.",
    ["task"],
    registry=REGISTRY,
)
REPLIES = Counter(
    "carteiro_replies",
    "Replies and events confirmed by the broker; code is `ok` or the error's; of an event, the first error's.",
    ["task", "code"],
    registry=REGISTRY,
)
LAST_ERROR = Gauge(
    "carteiro_last_error_timestamp_seconds",
    "When the latest error reply with this code was confirmed, in Unix time.",
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
TOOL_SECONDS = Histogram(
    "carteiro_tool_seconds",
    "Calls of served tools; outcome is `ok` or `failed`.",
    ["tool", "outcome"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
TOKENS = Counter(
    "carteiro_tokens",
    "Tokens, as the model counts them; `cached_input` and `reasoning` are parts of `input` and `output`.",
    ["task", "model", "direction"],
    registry=REGISTRY,
)
CHARACTERS = Counter(
    "carteiro_characters", "Characters that a language service charges for.", ["task", "model"], registry=REGISTRY
)
COST = Counter("carteiro_cost_usd", "Cost of calls, in US dollars.", ["task", "model"], registry=REGISTRY)
EVENTS = Counter(
    "carteiro_events",
    "Events that were read and dealt with; result is `enriched`, `failed`, `unchanged`, `dropped` or `dead_letter`.",
    ["enrichment", "result"],
    registry=REGISTRY,
)
DOCUMENTS = Counter(
    "carteiro_documents",
    "Documents that were read and dealt with; result is `indexed`, `deleted`, `outdated` or `dead_letter`.",
    ["collection", "result"],
    registry=REGISTRY,
)
CHUNKS = Counter(
    "carteiro_chunks",
    "Chunks of indexed documents; result is `embedded`, or `reused` if the store had its vector.",
    ["collection", "result"],
    registry=REGISTRY,
)
COLLECTION_DOCUMENTS = Gauge(
    "carteiro_collection_documents", "Documents of a collection.", ["collection"], registry=REGISTRY
)
COLLECTION_CHUNKS = Gauge(
    "carteiro_collection_chunks", "Chunks of a collection, of all its models.", ["collection"], registry=REGISTRY
)
COLLECTION_ERRORS = Gauge(
    "carteiro_collection_errors",
    "Documents of a collection whose latest version cannot be read.",
    ["collection"],
    registry=REGISTRY,
)
COLLECTION_OUTDATED = Gauge(
    "carteiro_collection_outdated",
    "Documents that a rebuild for another embedding model has not reached yet.",
    ["collection"],
    registry=REGISTRY,
)
STORE_AWAY = Gauge(
    "carteiro_store_away", "1 while no documents are taken because their store is away.", registry=REGISTRY
)
READY = Gauge("carteiro_ready", "1 while the worker takes requests in.", registry=REGISTRY)
REPEATED_REPLIES = Counter(
    "carteiro_repeated", "Replies given again for the same `idempotency_key`.", ["task"], registry=REGISTRY
)
CACHE = Counter(
    "carteiro_cache",
    "Requests with `options.cache`; outcome is `hit` or `miss`.",
    ["task", "outcome"],
    registry=REGISTRY,
)
DEAD_LETTERS = Counter("carteiro_dead_letters", "Requests given up.", ["task", "code"], registry=REGISTRY)
MODEL_CIRCUIT_OPEN = Gauge(
    "carteiro_model_circuit_open", "1 while no requests are taken because of this model.", ["model"], registry=REGISTRY
)
MODEL_HELD_SECONDS = Gauge(
    "carteiro_model_retry_after_seconds",
    "Seconds until the provider may be called again, by its own Retry-After; 0 if it may be called now.",
    ["model"],
    registry=REGISTRY,
)
MODEL_QUOTA_WAIT_SECONDS = Gauge(
    "carteiro_model_quota_wait_seconds",
    "Longest time that a call has been waiting for the model's quota, in seconds; 0 if none waits.",
    ["model"],
    registry=REGISTRY,
)
REQUESTS_DEFERRED = Counter(
    "carteiro_requests_deferred",
    "Requests deferred to the batch service.",
    ["task"],
    registry=REGISTRY,
)
BATCH_PENDING = Gauge("carteiro_batch_pending_requests", "Requests that wait for a batch.", ["task"], registry=REGISTRY)
BATCH_OLDEST_PENDING = Gauge(
    "carteiro_batch_oldest_pending_seconds",
    "Age of the oldest request that waits for a batch, by its record's timestamp.",
    ["task"],
    registry=REGISTRY,
)
BATCHES_OPEN = Gauge(
    "carteiro_batches_open", "Batches with requests that are not answered yet.", ["task", "model"], registry=REGISTRY
)
BATCH_FALLBACKS = Counter(
    "carteiro_batch_fallbacks", "Live calls, at the full price, to meet a deadline.", ["task"], registry=REGISTRY
)
FLEX_FALLBACKS = Counter(
    "carteiro_flex_fallbacks",
    "Calls that the tier `flex` did not serve, or not in time, and that were made in the standard tier.",
    ["task"],
    registry=REGISTRY,
)
TIER_CALLS = Counter(
    "carteiro_tier_calls",
    "Calls by the service tier that served them, if the provider says it: `batch`, `flex`, `standard`, `priority`.",
    ["task", "model", "tier"],
    registry=REGISTRY,
)
BATCH_SAVINGS = Counter(
    "carteiro_saved_usd",
    "Savings by batches and by the tier `flex`, compared to the standard price, in US dollars.",
    ["task", "model"],
    registry=REGISTRY,
)
JOURNAL_CALLS = Counter(
    "carteiro_journal_calls",
    "Calls of unanswered requests that are finished or in the background: `kept`, `reused` by a later run, `lost` to a "
    "topic that is away or slow, or `forgotten` by a worker whose memory for them is full.",
    ["task", "outcome"],
    registry=REGISTRY,
)
JOURNAL_AWAY = Gauge(
    "carteiro_journal_away",
    "1 while finished calls are not kept because their topic is away.",
    ["topic"],
    registry=REGISTRY,
)
PARTITION_RESTARTS = Counter(
    "carteiro_partition_restarts",
    "Restarts of a partition after its delivery failed.",
    ["topic"],
    registry=REGISTRY,
)
PARTITIONS_STALLED = Gauge(
    "carteiro_partitions_stalled",
    "Partitions that make no progress although they have work.",
    ["topic"],
    registry=REGISTRY,
)

UNREADABLE_BATCHES = Counter(
    "carteiro_unreadable_batches", "Record batches skipped, in whole or in part.", ["topic"], registry=REGISTRY
)
HIDDEN_RECORDS = Gauge(
    "carteiro_hidden_records",
    "Records that wait behind a transaction that a producer has left open.",
    ["topic", "partition"],
    registry=REGISTRY,
)
EVENT_LOOP_LAG = Histogram(
    "carteiro_event_loop_lag_seconds",
    "Delay of the event loop's callbacks.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)


@cache
def labelled(metric: MetricT, *labels: str) -> MetricT:
    """Return the metric with these labels, from a cache: the library's own lookup is slow. There are few labels."""
    return metric.labels(*labels)


def initialise_series(task: str, topic: str) -> None:
    """Create the series that alerts use with value 0: Prometheus sees no increase in a counter that appears at 1."""
    labelled(REQUESTS, task)
    labelled(REQUESTS_DEFERRED, task)
    labelled(BATCH_FALLBACKS, task)
    labelled(FLEX_FALLBACKS, task)
    labelled(REPLIES, task, "ok")
    for code in ERROR_CODES:
        labelled(REPLIES, task, code)
        labelled(DEAD_LETTERS, task, code)
    labelled(PARTITION_RESTARTS, topic)
    labelled(UNREADABLE_BATCHES, topic)
