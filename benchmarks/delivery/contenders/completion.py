"""The model of the contenders other than Carteiro: a prompt in, a text out."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from benchmarks.delivery.contender_config import ContenderConfig

Complete = Callable[[str], Awaitable[str]]


def open_completion(job: ContenderConfig) -> AbstractAsyncContextManager[Complete]:
    """Return the function that answers a prompt, as the job configures it."""
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
    """Yield the client of a model of `openai:` with its settings, called as in the SDK's documentation."""
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
    """Yield LiteLLM's router with its defaults and one server."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # Otherwise it requests the list from the internet.
    from litellm import Router

    parameters = {"model": "openai/bench", "api_base": url, "api_key": "none"}
    router = Router(model_list=[{"model_name": "bench", "litellm_params": parameters}])

    async def complete(prompt: str) -> str:
        completion = await router.acompletion("bench", [{"role": "user", "content": prompt}], timeout=120)
        return completion.choices[0].message.content or ""

    yield complete
