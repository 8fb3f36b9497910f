"""Carteiro's worker as it ships, configured by the environment, with the task `generate`."""

import asyncio
import os

from benchmarks.delivery.contender_config import ContenderConfig
from carteiro.models.prompt import Prompt
from carteiro.models.registry import open_model
from carteiro.models.results import Completion
from carteiro.models.settings import ModelSettings
from carteiro.schemas import Usage
from carteiro.settings.environment import load_settings
from carteiro.settings.worker import WorkerSettings
from carteiro.worker.observability.logs import configure_logs
from carteiro.worker.worker import Worker
from services.generate.task import task


class SleepingModel:
    """A model in the process that sleeps and returns the prompt."""

    name = "bench:sleeping"
    is_small = False
    remote = True
    context_tokens = None

    def __init__(self, latency: float) -> None:
        self._latency = latency

    async def load(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def count_tokens(self, text: str) -> int:
        return len(text)

    async def complete(self, prompt: Prompt) -> Completion:
        if self._latency:
            await asyncio.sleep(self._latency)
        return Completion(prompt.messages[-1].content, "stop", Usage(input_tokens=10, output_tokens=10))


def configure_worker(job: ContenderConfig) -> WorkerSettings:
    """Set the environment of a worker, and return the settings that it reads from there."""
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
    return settings


async def run(job: ContenderConfig) -> None:
    settings = configure_worker(job)
    model = open_model(f"{job.url}#bench", ModelSettings()) if job.url else SleepingModel(job.latency)
    await Worker([task], {task.name: [model]}, settings).run()
