"""Each contender separately, on a provider process of its own, with 64 callers that always have work."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from urllib.request import urlopen

from rich.console import Console

from benchmarks.quota.contenders import CALLERS, MakeCall, carteiro, litellm, sdk

WARM_UP = 5.0
"""Seconds before the used share counts. Refusals count from the first call on."""
START_LEVEL = 1.0
"""Capacity of the bucket in seconds of the limit. A larger bucket would flatter all contenders at the start."""


@dataclass
class HttpResult:
    name: str
    limit: float
    seconds: float
    accepted: list[float]
    refused: list[float]
    waits: list[float]

    @property
    def used_share(self) -> float:
        """Return the used share of the quota after the warm-up."""
        return sum(WARM_UP <= at < self.seconds for at in self.accepted) / (self.limit / 60 * (self.seconds - WARM_UP))

    @property
    def calls(self) -> int:
        return len(self.accepted) + len(self.refused)

    @property
    def refused_share(self) -> float:
        return len(self.refused) / max(1, self.calls)

    def wait_quantile(self, share: float) -> float:
        """Return the quantile `share` of the seconds from the wish for a call to its answer."""
        ordered = sorted(self.waits)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def contenders(url: str, limit: int) -> dict[str, Callable[[], AbstractAsyncContextManager[MakeCall]]]:
    return {
        "Carteiro": lambda: carteiro(url),
        "Carteiro, 4 workers": lambda: carteiro(url, 4),
        "Carteiro, no headers": lambda: carteiro(url),
        "openai SDK's retries": lambda: sdk(url),
        "LiteLLM router": lambda: litellm(url, None),
        "LiteLLM router, rpm told": lambda: litellm(url, limit),
    }


async def measure(limit: int, seconds: float, wanted: Sequence[str], console: Console) -> list[HttpResult]:
    measured = []
    for name in contenders("", limit):
        if any(word in name.lower() for word in wanted):
            console.print(f"{name} ...")
            measured.append(await _measure_one(name, limit, seconds))
    return measured


async def _measure_one(name: str, limit: int, seconds: float) -> HttpResult:
    async with _provider(limit, silent="no headers" in name) as address:
        waits: list[float] = []
        async with contenders(f"{address}/v1", limit)[name]() as call:
            # Slow imports and setup are done by now. The provider's clock gives the times of all events.
            begin = json.loads(await asyncio.to_thread(_get, f"{address}/counts"))["now"]
            callers = [asyncio.create_task(_caller(call, number, waits)) for number in range(CALLERS)]
            await asyncio.sleep(seconds)
            counts = json.loads(await asyncio.to_thread(_get, f"{address}/counts"))
            for caller in callers:
                caller.cancel()
            for result in await asyncio.gather(*callers, return_exceptions=True):
                if isinstance(result, Exception):
                    raise result
    accepted, refused = ([at - begin for at in counts[key]] for key in ("accepted", "refused"))
    return HttpResult(name, limit, seconds, accepted, refused, waits)


async def _caller(call: MakeCall, number: int, waits: list[float]) -> None:
    while True:
        waits.append(await call(number))


def _get(url: str) -> bytes:
    with urlopen(url) as response:  # The URL is that of our own provider.
        content: bytes = response.read()
    return content


@asynccontextmanager
async def _provider(limit: int, *, silent: bool) -> AsyncIterator[str]:
    command = ["-m", "benchmarks.quota.provider", "--limit", str(limit), "--burst", str(START_LEVEL)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, *(["--silent"] if silent else []), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout
        yield f"http://127.0.0.1:{(await process.stdout.readline()).decode().strip()}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
