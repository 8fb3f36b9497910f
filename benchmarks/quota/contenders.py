"""Ways to make calls under a quota. Each way is a context manager that yields a coroutine function for one call."""

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from openai import APIStatusError, AsyncOpenAI, DefaultAioHttpClient

from carteiro.models.cloud.quota import Quota
from carteiro.models.cloud.retry_after import retry_after

MakeCall = Callable[[int], Awaitable[float]]
"""Make one call for the caller with this number. Return the seconds from the wish to the answer."""

MESSAGES: list[Any] = [{"role": "user", "content": "Say yes."}]
MAX_RETRIES = 1000
CALLERS = 64


@asynccontextmanager
async def carteiro(url: str, processes: int = 1) -> AsyncIterator[MakeCall]:
    """Yield calls through Carteiro's quota controllers, one for each worker. The workers do not communicate."""
    quotas = [Quota() for _ in range(processes)]
    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0, http_client=DefaultAioHttpClient()) as client:

        async def call(caller: int) -> float:
            quota, begin = quotas[caller % processes], time.monotonic()
            while True:
                async with quota.call(20) as permit:
                    try:
                        response = await client.chat.completions.with_raw_response.create(model="x", messages=MESSAGES)
                        permit.completed(20, response.headers)
                        return time.monotonic() - begin
                    except APIStatusError as error:
                        permit.rate_limited(retry_after(error.response.headers, error.body), error.response.headers)

        yield call


@asynccontextmanager
async def sdk(url: str) -> AsyncIterator[MakeCall]:
    """Yield calls with the openai SDK's own retries."""
    async with AsyncOpenAI(
        base_url=url, api_key="none", max_retries=MAX_RETRIES, http_client=DefaultAioHttpClient()
    ) as client:

        async def call(_: int) -> float:
            begin = time.monotonic()
            await client.chat.completions.create(model="x", messages=MESSAGES)
            return time.monotonic() - begin

        yield call


@asynccontextmanager
async def litellm(url: str, rpm: int | None) -> AsyncIterator[MakeCall]:
    """Yield calls through LiteLLM's router. With `rpm` the router knows the quota and checks it before each call."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # Otherwise it requests the list from the internet.
    import litellm as library

    library.suppress_debug_info = True
    parameters = {"model": "openai/x", "api_base": url, "api_key": "none", "max_retries": 0}
    router = library.Router(
        model_list=[{"model_name": "x", "litellm_params": parameters | ({"rpm": rpm} if rpm else {})}],
        num_retries=MAX_RETRIES,
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
