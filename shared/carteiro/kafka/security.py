"""Kafka's security: from the settings to aiokafka's connection options."""

import os
import ssl
from typing import Any

from carteiro.settings.environment import SettingsInvalid
from carteiro.settings.kafka import KafkaSettings

_MAX_SECRET_CHARS = 65_536


def connection_options(settings: KafkaSettings) -> dict[str, Any]:
    """Return the connection options of aiokafka's clients. Raise `SettingsInvalid`."""
    options: dict[str, Any] = {
        "bootstrap_servers": [server.strip() for server in settings.bootstrap_servers.split(",")],
        "security_protocol": settings.security_protocol,
        "ssl_context": ssl_context(settings),
    }
    if settings.security_protocol.startswith("SASL_"):
        # Only Java clients have Amazon's mechanism AWS_MSK_IAM. Other clients send its token by OAUTHBEARER.
        mechanism = settings.sasl_mechanism.replace("AWS_MSK_IAM", "OAUTHBEARER")
        options |= {"sasl_mechanism": mechanism, **_sasl_options(settings)}
    return options


def _sasl_options(settings: KafkaSettings) -> dict[str, Any]:
    if settings.sasl_mechanism in ("OAUTHBEARER", "AWS_MSK_IAM"):
        return {"sasl_oauth_token_provider": _token_provider(settings)}
    password = _read_secret(settings, "sasl_password")
    if settings.sasl_username is None or password is None:
        raise SettingsInvalid(
            f"CARTEIRO_SASL_USERNAME, CARTEIRO_SASL_PASSWORD (or ..._FILE): {settings.security_protocol} needs both"
        )
    return {
        "sasl_plain_username": settings.sasl_username,
        "sasl_plain_password": password,
    }


def _token_provider(settings: KafkaSettings) -> Any:
    if settings.sasl_mechanism == "AWS_MSK_IAM":
        from carteiro.kafka.msk_iam import MskTokenProvider, find_region

        if settings.security_protocol != "SASL_SSL":
            raise SettingsInvalid("CARTEIRO_SECURITY_PROTOCOL: AWS_MSK_IAM needs SASL_SSL")
        if (region := find_region(settings.bootstrap_servers, os.environ)) is None:
            raise SettingsInvalid("AWS_REGION: AWS_MSK_IAM needs it if the brokers' names do not say the region")
        return MskTokenProvider(region, os.environ)
    # The import loads an HTTP client, which takes most of a second and which most workers do not need.
    from carteiro.kafka.oauth import OAuthTokenProvider

    url, client_id = settings.sasl_oauthbearer_token_endpoint_url, settings.sasl_oauthbearer_client_id
    secret = _read_secret(settings, "sasl_oauthbearer_client_secret")
    if url is None or client_id is None or secret is None:
        raise SettingsInvalid(
            "CARTEIRO_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL, CARTEIRO_SASL_OAUTHBEARER_CLIENT_ID, "
            "CARTEIRO_SASL_OAUTHBEARER_CLIENT_SECRET: OAUTHBEARER needs all three"
        )
    return OAuthTokenProvider(url, client_id, secret, settings.sasl_oauthbearer_scope)


def _read_secret(settings: KafkaSettings, name: str) -> str | None:
    """Return the value of a secret setting, or the content of the file in `<name>_file` without its last line break.

    Raise `SettingsInvalid` if both are set, or if the file is unusable.
    """
    value, file = getattr(settings, name), getattr(settings, f"{name}_file")
    variable = f"CARTEIRO_{name.upper()}"
    if file is None:
        return value.get_secret_value() if value else None
    if value:
        raise SettingsInvalid(f"{variable}, {variable}_FILE: both are set: unset one of them")
    try:
        with file.open(encoding="utf-8") as opened:
            read: str = opened.read(_MAX_SECRET_CHARS + 1).rstrip("\r\n")
    except OSError as error:
        raise SettingsInvalid(f"{variable}_FILE: {file} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SettingsInvalid(f"{variable}_FILE: {file} is not UTF-8 text") from None
    if not 0 < len(read) <= _MAX_SECRET_CHARS:
        raise SettingsInvalid(f"{variable}_FILE: {file} is empty, or longer than {_MAX_SECRET_CHARS} characters")
    return read


def ssl_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    """Return the TLS context; None if the settings use no TLS. Raise `SettingsInvalid`."""
    if not settings.security_protocol.endswith("SSL"):
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ssl_ca_location)
        if settings.ssl_certificate_location:
            password = _read_secret(settings, "ssl_key_password")
            context.load_cert_chain(settings.ssl_certificate_location, settings.ssl_key_location, password)
    except OSError as error:
        raise SettingsInvalid(f"CARTEIRO_SSL_*_LOCATION: {error}") from None
    return context
