"""Carteiro as it ships: its worker, set up from the environment, with the task `generate`."""

import asyncio
import os

from benchmarks.delivery.job import Job
from carteiro.models.interface import Completion, Prompt
from carteiro.models.opening import open_model
from carteiro.models.settings import ModelSettings
from carteiro.schemas import Usage
from carteiro.worker.app import Worker
from carteiro.worker.observing.logs import configure_logs
from carteiro.worker.settings import load_settings
from services.generate.task import task


class Sleeping:
    """A model in the process that sleeps and says the prompt again."""

    name = "bench:sleeping"
    small = False
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


async def run(job: Job) -> None:
    os.environ |= {
        "CARTEIRO_BOOTSTRAP_SERVERS": job.bootstrap,
        "CARTEIRO_TOPIC_PREFIX": job.prefix,
        "CARTEIRO_GROUP": job.group,
        "CARTEIRO_DELIVERY": str(job.options["delivery"]),
        "CARTEIRO_WINDOW": str(job.window),
        "CARTEIRO_HTTP_PORT": "0",
        "CARTEIRO_LOG_LEVEL": job.log_level,
    }
    settings, _ = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    model = open_model(f"{job.url}#bench", ModelSettings()) if job.url else Sleeping(job.latency)
    await Worker([task], {task.name: [model]}, settings).run()
