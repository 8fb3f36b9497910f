"""Kafka's security, from our settings to what each client library is told."""

import ssl
from typing import Any

from carteiro.worker.settings import KafkaSettings, SettingsInvalid


def connection_options(settings: KafkaSettings) -> dict[str, Any]:
    """What aiokafka's clients are given to reach Kafka. Raises `SettingsInvalid`."""
    options: dict[str, Any] = {
        "bootstrap_servers": [server.strip() for server in settings.bootstrap_servers.split(",")],
        "security_protocol": settings.security_protocol,
        "ssl_context": ssl_context(settings),
    }
    if settings.security_protocol.startswith("SASL_"):
        options |= {"sasl_mechanism": settings.sasl_mechanism, **_sasl(settings)}
    return options


def _sasl(settings: KafkaSettings) -> dict[str, Any]:
    if settings.sasl_mechanism == "OAUTHBEARER":
        return {"sasl_oauth_token_provider": _tokens(settings)}
    if settings.sasl_username is None or settings.sasl_password is None:
        raise SettingsInvalid(
            f"CARTEIRO_SASL_USERNAME, CARTEIRO_SASL_PASSWORD: {settings.security_protocol} needs both"
        )
    return {
        "sasl_plain_username": settings.sasl_username,
        "sasl_plain_password": settings.sasl_password.get_secret_value(),
    }


def _tokens(settings: KafkaSettings) -> Any:
    # An HTTP client, and the better part of a second, that most have no use for.
    from carteiro.worker.kafka.oauth import ClientCredentials

    url, client_id = settings.sasl_oauthbearer_token_endpoint_url, settings.sasl_oauthbearer_client_id
    secret = settings.sasl_oauthbearer_client_secret
    if url is None or client_id is None or secret is None:
        raise SettingsInvalid(
            "CARTEIRO_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL, CARTEIRO_SASL_OAUTHBEARER_CLIENT_ID, "
            "CARTEIRO_SASL_OAUTHBEARER_CLIENT_SECRET: OAUTHBEARER needs all three"
        )
    return ClientCredentials(url, client_id, secret.get_secret_value(), settings.sasl_oauthbearer_scope)


def ssl_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    """For TLS, where it is set. Raises `SettingsInvalid`."""
    if not settings.security_protocol.endswith("SSL"):
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ssl_ca_location)
        if settings.ssl_certificate_location:
            password = settings.ssl_key_password
            context.load_cert_chain(
                settings.ssl_certificate_location,
                settings.ssl_key_location,
                password.get_secret_value() if password else None,
            )
    except OSError as error:
        raise SettingsInvalid(f"CARTEIRO_SSL_*_LOCATION: {error}") from None
    return context
