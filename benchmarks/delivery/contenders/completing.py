"""The model of the contenders that are not Carteiro: a prompt in, a text out."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from benchmarks.delivery.job import Job

Complete = Callable[[str], Awaitable[str]]


def completing(job: Job) -> AbstractAsyncContextManager[Complete]:
    """What answers a prompt, as the job says."""
    if not job.url:
        return in_process(job.latency)
    return through_litellm(job.url) if job.options.get("client") == "litellm" else through_sdk(job.url)


@asynccontextmanager
async def in_process(latency: float) -> AsyncIterator[Complete]:
    async def complete(prompt: str) -> str:
        if latency:
            await asyncio.sleep(latency)
        return prompt

    yield complete


@asynccontextmanager
async def through_sdk(url: str) -> AsyncIterator[Complete]:
    """The client of `carteiro.models.cloud.openai`, with its settings, called as the SDK's own page shows it."""
    from openai import AsyncOpenAI, DefaultAioHttpClient, Timeout

    client = AsyncOpenAI(
        base_url=url,
        api_key="none",
        max_retries=0,
        timeout=Timeout(None, connect=5.0),
        http_client=DefaultAioHttpClient(),
    )

    async def complete(prompt: str) -> str:
        completion = await client.chat.completions.create(
            model="bench", messages=[{"role": "user", "content": prompt}], timeout=120
        )
        return completion.choices[0].message.content or ""

    async with client:
        yield complete


@asynccontextmanager
async def through_litellm(url: str) -> AsyncIterator[Complete]:
    """LiteLLM's router with its defaults, and one server behind it."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it asks the internet
    from litellm import Router

    parameters = {"model": "openai/bench", "api_base": url, "api_key": "none"}
    router = Router(model_list=[{"model_name": "bench", "litellm_params": parameters}])

    async def complete(prompt: str) -> str:
        completion = await router.acompletion("bench", [{"role": "user", "content": prompt}], timeout=120)
        return completion.choices[0].message.content or ""

    yield complete
