"""Kafka's security, from our settings to what each client library is told."""

import ssl
from typing import Any

from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from carteiro.worker.settings import KafkaSettings, SettingsInvalid

_SASL = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}


def connection_options(settings: KafkaSettings) -> dict[str, Any]:
    """What aiokafka's clients are given to reach Kafka. Raises `SettingsInvalid`."""
    options: dict[str, Any] = {
        "bootstrap_servers": [server.strip() for server in settings.bootstrap_servers.split(",")],
        "security_protocol": settings.security_protocol,
        "ssl_context": _ssl_context(settings),
    }
    if settings.security_protocol.startswith("SASL_"):
        user, password = _credentials(settings)
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": user,
            "sasl_plain_password": password,
        }
    return options


def faststream_security(settings: KafkaSettings) -> BaseSecurity:
    """The same for FastStream's broker, which takes it in a form of its own. Raises `SettingsInvalid`."""
    context = _ssl_context(settings)
    if not settings.security_protocol.startswith("SASL_"):
        return BaseSecurity(ssl_context=context, use_ssl=context is not None)
    user, password = _credentials(settings)
    return _SASL[settings.sasl_mechanism](user, password, ssl_context=context, use_ssl=context is not None)


def _credentials(settings: KafkaSettings) -> tuple[str, str]:
    if settings.sasl_username is None or settings.sasl_password is None:
        raise SettingsInvalid(
            f"CARTEIRO_SASL_USERNAME, CARTEIRO_SASL_PASSWORD: {settings.security_protocol} needs both"
        )
    return settings.sasl_username, settings.sasl_password.get_secret_value()


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext | None:
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
