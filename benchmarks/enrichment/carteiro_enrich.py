"""Carteiro's enrich worker as it ships, configured by the environment and a file."""

import os

from benchmarks.delivery.contender_config import ContenderConfig
from benchmarks.delivery.contenders.carteiro_worker import SleepingModel
from benchmarks.enrichment.events import ONE_STEP
from carteiro.enrichment.enrichment_file import parse_enrichment
from carteiro.settings.environment import load_settings
from carteiro.worker.observability.logs import configure_logs
from carteiro.worker.worker import Worker
from services.generate.task import task


async def run(job: ContenderConfig) -> None:
    os.environ |= {
        "CARTEIRO_BOOTSTRAP_SERVERS": job.bootstrap,
        "CARTEIRO_TOPIC_PREFIX": job.prefix,
        "CARTEIRO_GROUP": job.group,
        "CARTEIRO_DELIVERY": str(job.options["delivery"]),
        "CARTEIRO_MAX_IN_FLIGHT": str(job.max_in_flight),
        "CARTEIRO_HTTP_PORT": "0",
        "CARTEIRO_LOG_LEVEL": job.log_level,
    }
    settings, _ = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    text = ONE_STEP.format(source=job.requests, target=job.replies)
    file = parse_enrichment(text.encode(), "bench", "bench")
    await Worker([task], {file.steps[0].chain_name: [SleepingModel(job.latency)]}, settings, enrichments=[file]).run()
