"""Waiting until a broker is there, and saying why it is not."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

log = structlog.get_logger("carteiro.kafka")

_TRY_SECONDS = 5.0
_NOT_KAFKA_TRIES = 6


class KafkaUnusable(Exception):
    """There is something at the address, but not a Kafka that takes us. The message says what to do."""


async def wait_for_kafka(options: dict[str, Any]) -> None:
    """Return once a broker answers; log while none does.

    Raises `KafkaUnusable` where something else keeps answering at the address.
    """
    delay, not_kafka = 0.5, 0
    while (reason := await why_unreachable(options)) is not None:
        not_kafka = not_kafka + 1 if isinstance(reason, KafkaUnusable) else 0
        if isinstance(reason, KafkaUnusable) and not_kafka >= _NOT_KAFKA_TRIES:
            raise reason
        log.warning("waiting for Kafka", servers=",".join(options["bootstrap_servers"]), reason=str(reason))
        await asyncio.sleep(delay)
        delay = min(delay * 2, 10)


@asynccontextmanager
async def admin_client(options: dict[str, Any]) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client for the block, connected by aiokafka's `options`. Raises `KafkaError`."""
    admin = AIOKafkaAdminClient(**options)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def why_unreachable(options: dict[str, Any]) -> Exception | None:
    """Why no broker can be talked to, or None where one can."""
    client = AIOKafkaClient(**options, request_timeout_ms=int(_TRY_SECONDS * 1000))
    try:
        await asyncio.wait_for(client.bootstrap(), 2 * _TRY_SECONDS)
    except (KafkaError, OSError, TimeoutError) as error:
        return await _diagnose(options["bootstrap_servers"], options["security_protocol"], error)
    finally:
        await client.close()
    return None


async def _diagnose(servers: list[str], protocol: str, error: Exception) -> Exception:
    reasons = []
    for server in servers:
        host, _, port = server.rpartition(":")
        if not host or not port.isdigit():
            return KafkaUnusable(f"CARTEIRO_BOOTSTRAP_SERVERS: {server!r} is not host:port")
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(host.strip("[]"), int(port)), _TRY_SECONDS)
        except socket.gaierror:
            reasons.append(f"no such host: {host}")
        except TimeoutError:
            reasons.append(f"{server} does not answer")
        except OSError:
            reasons.append(f"nothing listens at {server}")
        else:
            writer.close()
            detail = "" if "Unable to bootstrap" in str(error) or not str(error) else f" ({error})"
            return KafkaUnusable(
                f"what listens at {server} does not answer as a Kafka broker over {protocol}{detail}: "
                "check CARTEIRO_BOOTSTRAP_SERVERS, CARTEIRO_SECURITY_PROTOCOL and, with SASL, CARTEIRO_SASL_*"
            )
    return ConnectionError("; ".join(reasons))
