"""Ways to make calls under a quota: each is a coroutine function that makes one call and sees it through."""

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from openai import APIStatusError, AsyncOpenAI, DefaultAioHttpClient

from carteiro.models.cloud.quota import Quota
from carteiro.models.cloud.retry_after import retry_after

Call = Callable[[int], Awaitable[float]]
"""Makes one call for the caller of that number; returns the seconds from when it was wanted until it was answered."""

MESSAGES: list[Any] = [{"role": "user", "content": "Say yes."}]
MOST_RETRIES = 1000
CALLERS = 64


@asynccontextmanager
async def carteiro(url: str, processes: int = 1) -> AsyncIterator[Call]:
    """The front, one for each of so many workers, which do not know of each other."""
    quotas = [Quota() for _ in range(processes)]
    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0, http_client=DefaultAioHttpClient()) as client:

        async def call(caller: int) -> float:
            quota, begin = quotas[caller % processes], time.monotonic()
            while True:
                async with quota.call(20) as place:
                    try:
                        response = await client.chat.completions.with_raw_response.create(model="x", messages=MESSAGES)
                        place.settle(20, response.headers)
                        return time.monotonic() - begin
                    except APIStatusError as error:
                        place.refused(retry_after(error.response.headers, error.body), error.response.headers)

        yield call


@asynccontextmanager
async def sdk(url: str) -> AsyncIterator[Call]:
    """The openai SDK's own retries."""
    async with AsyncOpenAI(
        base_url=url, api_key="none", max_retries=MOST_RETRIES, http_client=DefaultAioHttpClient()
    ) as client:

        async def call(_: int) -> float:
            begin = time.monotonic()
            await client.chat.completions.create(model="x", messages=MESSAGES)
            return time.monotonic() - begin

        yield call


@asynccontextmanager
async def litellm(url: str, rpm: int | None) -> AsyncIterator[Call]:
    """LiteLLM's router; with `rpm` it is told the quota and checks it before each call."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it asks the internet
    import litellm as library

    library.suppress_debug_info = True
    parameters = {"model": "openai/x", "api_base": url, "api_key": "none", "max_retries": 0}
    router = library.Router(
        model_list=[{"model_name": "x", "litellm_params": parameters | ({"rpm": rpm} if rpm else {})}],
        num_retries=MOST_RETRIES,
        routing_strategy="usage-based-routing-v2" if rpm else "simple-shuffle",
        optional_pre_call_checks=["enforce_model_rate_limits"] if rpm else None,  # type: ignore[list-item]
        disable_cooldowns=True,
    )

    async def call(_: int) -> float:
        begin = time.monotonic()
        while True:
            try:
                await router.acompletion(model="x", messages=MESSAGES)
                return time.monotonic() - begin
            except library.RateLimitError:
                continue

    yield call
