"""Counts, for Prometheus, the requests that wait: those that no worker's commit has passed yet. `python lag.py`

    carteiro_lag{task, partition}   records from the committed offset to the end of the topic of requests

A worker cannot count for itself while there is none of it, so one of these stands beside them all. The settings are a
worker's (docs/settings.md): Kafka, the topics' prefix, `CARTEIRO_HTTP_PORT`. Each scrape asks Kafka anew.

Requests that are finished out of order count until those before them are finished too.
"""

import asyncio
import os
import signal
import sys

import uvicorn
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from faststream.asgi.types import Receive, Scope, Send
from prometheus_client import CollectorRegistry, Gauge, make_asgi_app

from carteiro.worker.kafka.reaching import KafkaUnusable, wait_for_kafka
from carteiro.worker.kafka.security import connection_options
from carteiro.worker.observing.lag import lags
from carteiro.worker.services import find_tasks
from carteiro.worker.settings import KafkaSettings, SettingsInvalid, load_kafka_settings

REGISTRY = CollectorRegistry()
LAG = Gauge("carteiro_lag", "Requests that no commit has passed.", ["task", "partition"], registry=REGISTRY)
_KAFKA_SECONDS = 8.0


async def look(admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, settings: KafkaSettings) -> None:
    """Set the gauge for every task whose topic is there. Raises `KafkaError`."""
    for (task, partition), lag in (await lags(admin, consumer, find_tasks(), settings.topics)).items():
        LAG.labels(task, partition).set(lag)


async def serve() -> None:
    """Serve `/metrics` until SIGTERM. Raises `SettingsInvalid` and `KafkaUnusable`."""
    settings = load_kafka_settings()
    options = connection_options(settings)
    await wait_for_kafka(options)
    admin, consumer = AIOKafkaAdminClient(**options), AIOKafkaConsumer(**options)
    await admin.start()
    await consumer.start()
    metrics, one_at_a_time = make_asgi_app(REGISTRY), asyncio.Lock()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/metrics":
            async with one_at_a_time:
                try:
                    async with asyncio.timeout(_KAFKA_SECONDS):
                        await look(admin, consumer, settings)
                except (KafkaError, TimeoutError) as error:
                    # No figure is better than an old one.
                    LAG.clear()
                    print(f"lag: Kafka does not say: {error!r}", file=sys.stderr)
        await metrics(scope, receive, send)

    # uvicorn raises the signal again once it has stopped; asked to stop, we have ended well.
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        port = int(os.environ.get("CARTEIRO_HTTP_PORT", "8080"))
        await uvicorn.Server(
            uvicorn.Config(app, host="0.0.0.0", port=port, log_level="warning", lifespan="off")  # noqa: S104
        ).serve()
    finally:
        await consumer.stop()
        await admin.close()


def main() -> None:
    """Serve until SIGTERM."""
    try:
        asyncio.run(serve())
    except (SettingsInvalid, KafkaUnusable, KafkaError) as error:
        sys.exit(f"lag: {error}")


if __name__ == "__main__":
    main()
