"""Settings of the connection to the Schema Registry. The names after the prefix are those of Confluent's clients."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from carteiro.registry.format_choice import ReplyFormatChoice
from carteiro.registry.subjects import SubjectStrategy
from carteiro.schemas.field_errors import field_errors

_SECRETS = ("basic_auth_user_info", "bearer_auth_token", "bearer_auth_client_secret", "ssl_key_password")
_OAUTH = ("bearer_auth_client_id", "bearer_auth_client_secret", "bearer_auth_issuer_endpoint_url")


class RegistrySettingsInvalid(ValueError):
    """The settings are wrong. The message names the variables."""


class RegistrySettings(BaseSettings):
    """Settings of a registry: https://docs.confluent.io/platform/current/schema-registry/sr-client-configs.html."""

    model_config = SettingsConfigDict(
        env_prefix="CARTEIRO_SCHEMA_REGISTRY_", extra="ignore", use_attribute_docstrings=True, env_ignore_empty=True
    )

    url: str | None = Field(default=None, repr=False)
    """Address of the registry, or several separated by commas. Without it, events and requests are JSON."""
    subject_name_strategy: SubjectStrategy = SubjectStrategy.TOPIC
    """Subject of the schemas that the worker registers."""
    reply_format: ReplyFormatChoice = ReplyFormatChoice.AUTO
    """Format of replies to requests: `auto` for the request's, or `json`, `avro`, `protobuf`, `json_schema`."""
    timeout_seconds: float = Field(default=10, gt=0, le=300)
    """Longest time for one call of the registry."""

    basic_auth_user_info: SecretStr | None = None
    """Credentials for basic authentication, `user:password`; for Confluent Cloud `key:secret`."""
    basic_auth_user_info_file: Path | None = None
    """File with them, read at the start."""

    bearer_auth_credentials_source: Literal["STATIC_TOKEN", "OAUTHBEARER"] | None = None
    """Source of bearer tokens; by default it follows from the settings that are there."""
    bearer_auth_token: SecretStr | None = None
    """Token for `STATIC_TOKEN`."""
    bearer_auth_token_file: Path | None = None
    """File with it, read at the start."""
    bearer_auth_client_id: str | None = None
    """Client id for `OAUTHBEARER`: tokens by the client credentials grant."""
    bearer_auth_client_secret: SecretStr | None = None
    """The client's secret."""
    bearer_auth_client_secret_file: Path | None = None
    """File with it, read at the start."""
    bearer_auth_issuer_endpoint_url: str | None = None
    """URL that gives the tokens."""
    bearer_auth_scope: str = ""
    """Scope of the tokens, if the URL needs one."""
    bearer_auth_logical_cluster: str = ""
    """Registry's logical cluster, for Confluent Cloud (`lsrc-...`)."""
    bearer_auth_identity_pool_id: str | None = None
    """Identity pool, for Confluent Cloud."""

    ssl_ca_location: Path | None = None
    """File of the CA certificates for the registry's certificate; by default the public ones."""
    ssl_certificate_location: Path | None = None
    """File of the client's certificate, if the registry requires it."""
    ssl_key_location: Path | None = None
    """File of its private key."""
    ssl_key_password: SecretStr | None = None
    """The private key's password."""
    ssl_key_password_file: Path | None = None
    """File with it, read at the start."""

    @field_validator("url", "bearer_auth_issuer_endpoint_url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        if url is not None and not all(each.strip().startswith(("http://", "https://")) for each in url.split(",")):
            raise ValueError("is no address: it begins with http:// or https://")
        return url

    @field_validator("ssl_ca_location", "ssl_certificate_location", "ssl_key_location")
    @classmethod
    def _check_file(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            raise ValueError(f"names no file: {path}")
        return path

    @model_validator(mode="after")
    def _read_files(self) -> Self:
        for name in _SECRETS:
            file: Path | None = getattr(self, f"{name}_file")
            if file is None:
                continue
            if getattr(self, name) is not None:
                raise ValueError(f"{_name(name)} and {_name(name)}_FILE are both set: leave one out")
            try:
                self.__dict__[name] = SecretStr(file.read_text().rstrip("\r\n"))
            except (OSError, ValueError) as error:
                raise ValueError(f"{_name(name)}_FILE cannot be read ({type(error).__name__}): {file}") from None
        return self

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        oauth = [name for name in _OAUTH if getattr(self, name) is not None]
        if self.url is None:
            given = self.model_fields_set - {"url", "timeout_seconds", "subject_name_strategy"}
            if given:
                raise ValueError(f"{_names(given)} without {_name('url')}: set the address too")
        if self.basic_auth_user_info and ":" not in self.basic_auth_user_info.get_secret_value():
            raise ValueError(f"{_name('basic_auth_user_info')} is not user:password")
        if self.basic_auth_user_info and (self.bearer_auth_token or oauth):
            raise ValueError(f"{_name('basic_auth_user_info')} and bearer tokens are both set: leave one out")
        if self.basic_auth_user_info and "@" in (self.url or ""):
            raise ValueError(f"{_name('url')} has credentials, and {_name('basic_auth_user_info')} too: leave one out")
        if self.bearer_auth_token and oauth:
            raise ValueError(f"{_name('bearer_auth_token')} and {_names(oauth)} are both set: leave one out")
        if oauth and len(oauth) < len(_OAUTH):
            raise ValueError(f"OAuth needs {_names(set(_OAUTH) - set(oauth))} too")
        sources = {"STATIC_TOKEN": self.bearer_auth_token, "OAUTHBEARER": oauth}
        source = self.bearer_auth_credentials_source
        if source and not sources[source]:
            missing = "bearer_auth_token" if source == "STATIC_TOKEN" else "bearer_auth_client_id"
            raise ValueError(f"{_name('bearer_auth_credentials_source')} is {source}: set {_name(missing)} too")
        if (self.ssl_key_location or self.ssl_key_password) and not self.ssl_certificate_location:
            raise ValueError(f"the client's key needs its certificate: set {_name('ssl_certificate_location')} too")
        return self

    def client_configuration(self) -> dict[str, Any]:
        """Return the configuration of Confluent's client for these settings."""
        token, source = self.bearer_auth_token, self.bearer_auth_credentials_source
        if source is None and self.bearer_auth_client_id:
            source = "OAUTHBEARER"
        elif source is None and token:
            source = "STATIC_TOKEN"
        values: dict[str, Any] = {
            "url": self.url,
            "timeout": self.timeout_seconds,
            "basic.auth.user.info": _reveal(self.basic_auth_user_info),
            "ssl.ca.location": self.ssl_ca_location and str(self.ssl_ca_location),
            "ssl.certificate.location": self.ssl_certificate_location and str(self.ssl_certificate_location),
            "ssl.key.location": self.ssl_key_location and str(self.ssl_key_location),
            "ssl.key.password": _reveal(self.ssl_key_password),
        }
        if source:
            values |= {
                "bearer.auth.credentials.source": source,
                "bearer.auth.logical.cluster": self.bearer_auth_logical_cluster,
                "bearer.auth.identity.pool.id": self.bearer_auth_identity_pool_id,
            }
        if source == "STATIC_TOKEN":
            values["bearer.auth.token"] = _reveal(token)
        elif source == "OAUTHBEARER":
            values |= {
                "bearer.auth.client.id": self.bearer_auth_client_id,
                "bearer.auth.client.secret": _reveal(self.bearer_auth_client_secret),
                "bearer.auth.scope": self.bearer_auth_scope,
                "bearer.auth.issuer.endpoint.url": self.bearer_auth_issuer_endpoint_url,
            }
        return {name: value for name, value in values.items() if value is not None}


def load_registry_settings() -> RegistrySettings:
    """Return the settings from the environment. Raise `RegistrySettingsInvalid`."""
    try:
        return RegistrySettings()
    except ValidationError as error:
        problems = field_errors(error, root="")
        lines = (f"{_name(each.field)} {each.reason}" if each.field else each.reason for each in problems)
        raise RegistrySettingsInvalid("; ".join(lines)) from None


def _reveal(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def _name(field: str) -> str:
    return f"CARTEIRO_SCHEMA_REGISTRY_{field.upper()}"


def _names(fields: Any) -> str:
    return " and ".join(_name(field) for field in sorted(fields))
