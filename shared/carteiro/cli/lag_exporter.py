"""`carteiro lag-exporter`: the number of unprocessed requests, for Prometheus."""

import asyncio
import logging
import os
import signal
import sys

import uvicorn
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from faststream.asgi.types import Receive, Scope, Send
from prometheus_client import CollectorRegistry, Gauge, make_asgi_app

from carteiro.cli.exit_codes import EXIT_KAFKA, EXIT_USAGE, exit_with
from carteiro.cli.kafka import log_to_stderr
from carteiro.cli.worker import exit_on_signal
from carteiro.index.collection_source import served_topics
from carteiro.kafka.connection import KafkaUnusable, wait_for_kafka
from carteiro.kafka.lag import partition_lags
from carteiro.kafka.security import connection_options
from carteiro.settings.environment import SettingsInvalid, load_kafka_settings
from carteiro.settings.kafka import KafkaSettings
from carteiro.tasks.discovery import task_names

REGISTRY = CollectorRegistry()
LAG = Gauge("carteiro_lag", "Records that no commit has passed.", ["task", "partition"], registry=REGISTRY)
_KAFKA_SECONDS = 8.0


async def update_lag(admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, settings: KafkaSettings) -> None:
    """Set the gauge for every task and collection whose topic exists. Raise `KafkaError` if Kafka does not answer."""
    more = served_topics(os.environ.get("CARTEIRO_COLLECTIONS"), settings.topics)
    lags = await partition_lags(admin, consumer, task_names(), settings.topics, more=more)
    for (task, partition), lag in lags.items():
        LAG.labels(task, partition).set(lag)


async def run_exporter(settings: KafkaSettings) -> None:
    """Serve `/metrics` until SIGTERM. Raise `KafkaError` or `KafkaUnusable`."""
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
                        await update_lag(admin, consumer, settings)
                except (KafkaError, TimeoutError) as error:
                    # No value is better than an outdated value.
                    LAG.clear()
                    print(f"lag: Kafka does not say: {error!r}", file=sys.stderr)
        await metrics(scope, receive, send)

    # uvicorn raises the signal again after it has stopped. A requested stop must exit with code 0.
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        port = int(os.environ.get("CARTEIRO_HTTP_PORT") or "8080")
        await uvicorn.Server(
            uvicorn.Config(app, host="0.0.0.0", port=port, log_level="warning", lifespan="off")  # noqa: S104
        ).serve()
    finally:
        await consumer.stop()
        await admin.close()


def lag_exporter() -> None:
    """Export `carteiro_lag{task, partition}`, the requests that wait, at /metrics.

    If no worker of a task runs, no worker can export its lag. So one exporter runs next to all
    workers. The settings are a worker's: Kafka, the topics' prefix, CARTEIRO_COLLECTIONS,
    CARTEIRO_HTTP_PORT. Each scrape asks Kafka again. Requests that finish out of order count until the requests before
    them are finished too.

    CARTEIRO_HTTP_PORT=9100 carteiro lag-exporter
    """
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    log_to_stderr()
    exit_on_signal()
    try:
        asyncio.run(run_exporter(load_kafka_settings()))
    except SettingsInvalid as error:
        exit_with(str(error), EXIT_USAGE)
    except (KafkaUnusable, KafkaError) as error:
        exit_with(str(error), EXIT_KAFKA)
