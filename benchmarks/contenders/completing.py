"""The model of the contenders that are not Carteiro: a prompt in, a text out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from benchmarks.job import Job

Complete = Callable[[str], Awaitable[str]]


def completing(job: Job) -> AbstractAsyncContextManager[Complete]:
    """What answers a prompt, as the job says."""
    return through_sdk(job.url) if job.url else in_process(job.latency)


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
