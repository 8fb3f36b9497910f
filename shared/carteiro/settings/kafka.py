"""Settings of the connection to Kafka."""

import re
from pathlib import Path
from typing import Literal

from pydantic import SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from carteiro.wire.compression import DEFAULT_COMPRESSION, Compression
from carteiro.wire.topics import DEFAULT_PREFIX, Topics, is_topic_name


class KafkaSettings(BaseSettings):
    """Settings of the connection to Kafka. The names after the prefix are those of librdkafka."""

    model_config = SettingsConfigDict(
        env_prefix="CARTEIRO_", extra="ignore", use_attribute_docstrings=True, env_ignore_empty=True
    )

    bootstrap_servers: str = "localhost:9092"
    """Kafka's addresses, `host:port`, separated by commas."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """Protocol of the connections."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM"] = "PLAIN"
    """SASL mechanism of a `SASL_` protocol."""
    sasl_username: str | None = None
    """The user for SASL."""
    sasl_password: SecretStr | None = None
    """The user's password."""
    sasl_password_file: Path | None = None
    """File with that password, read at the start."""
    sasl_oauthbearer_token_endpoint_url: str | None = None
    """URL from which `OAUTHBEARER` gets its tokens, by the client credentials grant."""
    sasl_oauthbearer_client_id: str | None = None
    """The client's id at that URL."""
    sasl_oauthbearer_client_secret: SecretStr | None = None
    """The client's secret."""
    sasl_oauthbearer_client_secret_file: Path | None = None
    """File with that secret, read at the start."""
    sasl_oauthbearer_scope: str | None = None
    """The scope of the tokens, if the URL needs one."""
    ssl_ca_location: str | None = None
    """File of the CA certificates for the brokers' certificates; by default the system's."""
    ssl_certificate_location: str | None = None
    """File of the client's certificate, if the brokers require it."""
    ssl_key_location: str | None = None
    """File of its private key."""
    ssl_key_password: SecretStr | None = None
    """The private key's password."""
    ssl_key_password_file: Path | None = None
    """File with that password, read at the start."""
    topic_prefix: str = DEFAULT_PREFIX
    """Start of the names of all topics."""
    compression: Compression = DEFAULT_COMPRESSION
    """Compression of what producers send. Azure Event Hubs needs `none`."""

    @field_validator("bootstrap_servers")
    @classmethod
    def _check_bootstrap_servers(cls, servers: str) -> str:
        for server in servers.split(","):
            _, _, port = server.strip().rpartition(":")
            if not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^:\s/]+):\d{1,5}", server.strip()) or not 0 < int(port) < 65536:
                raise ValueError("is not host:port, or several separated by commas")
        return servers

    @field_validator("topic_prefix")
    @classmethod
    def _check_topic_prefix(cls, prefix: str) -> str:
        if not is_topic_name(prefix):
            raise ValueError("is not the beginning of a topic's name: use a-z, A-Z, 0-9, '.', '_' and '-'")
        return prefix

    @property
    def topics(self) -> Topics:
        """The topics under the prefix."""
        return Topics(self.topic_prefix)
