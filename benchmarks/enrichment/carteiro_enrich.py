"""Carteiro's enrich worker as it ships, configured by the environment and a file."""

from benchmarks.delivery.contender_config import ContenderConfig
from benchmarks.delivery.contenders.carteiro_worker import SleepingModel, configure_worker
from benchmarks.enrichment.events import ONE_STEP
from carteiro.enrichment.enrichment_file import parse_enrichment
from carteiro.worker.worker import Worker
from services.generate.task import task


async def run(job: ContenderConfig) -> None:
    settings = configure_worker(job)
    text = ONE_STEP.format(source=job.requests, target=job.replies)
    file = parse_enrichment(text.encode(), "bench", "bench")
    await Worker([task], {file.steps[0].chain_name: [SleepingModel(job.latency)]}, settings, enrichments=[file]).run()
