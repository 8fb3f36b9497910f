"""Waiting for a broker, and the diagnosis if no broker can be reached."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import InconsistentGroupProtocolError, KafkaError

from carteiro.concurrency.backoff import Backoff

_CONNECT_TIMEOUT_SECONDS = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
_MAX_NOT_KAFKA_TRIES = 14
"""About 75 seconds. A load balancer accepts connections and closes them while the broker behind it restarts."""


class AdvertisedListenerUnreachable(ConnectionError):
    """A broker answers, but its advertised addresses cannot be reached from here. The message says what to do."""


class KafkaUnusable(Exception):
    """The address answers, but not as a Kafka broker that this worker can use. The message says what to do."""


async def wait_for_kafka(options: dict[str, Any], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Wait until a broker answers, and log the reason while no broker does. `options` are aiokafka's.

    Raise `KafkaUnusable` if something that is not a Kafka broker keeps answering at the address.
    """
    # Imported here since most commands start quickly, and do not wait for Kafka.
    import structlog

    log = structlog.get_logger("carteiro.kafka")
    backoff, not_kafka = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE, sleep=sleep), 0
    while (reason := await probe_connection(options)) is not None:
        not_kafka = not_kafka + 1 if isinstance(reason, KafkaUnusable) else 0
        if isinstance(reason, KafkaUnusable) and not_kafka >= _MAX_NOT_KAFKA_TRIES:
            raise reason
        log.warning("waiting for Kafka", servers=",".join(options["bootstrap_servers"]), reason=str(reason))
        await backoff.pause()


@asynccontextmanager
async def admin_client(options: dict[str, Any]) -> AsyncIterator[AIOKafkaAdminClient]:
    """Connect an admin client for the `with` block by aiokafka's `options`. Raise `KafkaError`."""
    admin = AIOKafkaAdminClient(**options)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def probe_connection(options: dict[str, Any]) -> Exception | None:
    """Return the reason that no broker can be reached; None if a broker answers. `options` are aiokafka's."""
    client = AIOKafkaClient(**options, request_timeout_ms=int(_CONNECT_TIMEOUT_SECONDS * 1000))
    try:
        await asyncio.wait_for(client.bootstrap(), 2 * _CONNECT_TIMEOUT_SECONDS)
        return await _diagnose_brokers(client, options["bootstrap_servers"])
    except (KafkaError, OSError, TimeoutError) as error:
        return await _diagnose_servers(options["bootstrap_servers"], options["security_protocol"], error)
    finally:
        await client.close()


def join_error_message(error: KafkaError, group: str) -> str:
    """Return the reason that a worker cannot join its group, as a message that says what to do."""
    if isinstance(error, InconsistentGroupProtocolError):
        return (
            f"a member of the consumer group {group} uses another protocol, so it is not a worker of this task: "
            "stop it, or set CARTEIRO_GROUP"
        )
    return repr(error)


async def find_unreachable_brokers(client: AIOKafkaClient) -> list[str]:
    """Return a sentence for each broker that cannot be reached at its advertised address."""
    return [
        await _diagnose_broker(broker.host, broker.port)
        for broker in client.cluster.brokers()
        if not await client.ready(broker.nodeId)
    ]


async def _diagnose_brokers(client: AIOKafkaClient, servers: list[str]) -> Exception | None:
    brokers = client.cluster.brokers()
    for broker in brokers:
        if await client.ready(broker.nodeId):
            return None
    if not brokers:
        return None
    reasons = [await _diagnose_broker(broker.host, broker.port) for broker in brokers]
    return AdvertisedListenerUnreachable(f"{','.join(servers)} answers, but {'; '.join(reasons)}: {ADVERTISED_ADVICE}")


ADVERTISED_ADVICE = (
    "set advertised.listeners of the broker to an address that workers reach, or make its name known here"
)


async def _diagnose_broker(host: str, port: int) -> str:
    advertised = f"its broker advertises {host}:{port}, and"
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), _CONNECT_TIMEOUT_SECONDS)
    except socket.gaierror:
        return f"{advertised} there is no such host"
    except (OSError, TimeoutError):
        return f"{advertised} nothing answers there"
    writer.close()
    return f"{advertised} what listens there does not answer as a Kafka broker"


async def _diagnose_servers(servers: list[str], protocol: str, error: Exception) -> Exception:
    reasons = []
    for server in servers:
        host, _, port = server.rpartition(":")
        if not host or not port.isdigit():
            return KafkaUnusable(f"CARTEIRO_BOOTSTRAP_SERVERS: {server!r} is not host:port")
        try:
            _, writer = await asyncio.wait_for(
                asyncio.open_connection(host.strip("[]"), int(port)), _CONNECT_TIMEOUT_SECONDS
            )
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
