"""A provider as a cloud is: some answers take longer than others, now and then one goes wrong, and it has a quota."""

import asyncio
import math
import random
import time

from aiohttp import web

from benchmarks.quota.bucket import Bucket
from tests.provider import FAULTS, ScriptedProvider
from tests.provider.completions import Json

_MEDIAN_SECONDS, _SPREAD, _MOST_SECONDS = 0.4, 0.6, 6.0
_FAULTS = {"500": 0.01, "cut": 0.005, "drop": 0.002, "hang": 0.0005}
"""The share of calls that each fault meets."""
_A_MINUTE, _BURST_SECONDS = 6000, 2.0
"""The quota: load alone does not reach it, what has piled up behind a fault may."""


class Cloud(ScriptedProvider):
    """Its latencies are log-normal. What it was asked it forgets, since it is asked for a long time."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._chance = random.Random(seed)
        self._bucket = Bucket(_A_MINUTE, _BURST_SECONDS)

    async def _answer(self, request: web.Request, body: Json) -> web.StreamResponse:
        self.requests.clear()
        self.calls.clear()
        response = await self._answered(request, body)
        if not response.prepared:
            response.headers.update(self._bucket.headers("requests"))
        return response

    async def _answered(self, request: web.Request, body: Json) -> web.StreamResponse:
        if self._bucket.look(time.monotonic()) < 1:
            return await FAULTS["429-ms"](request, body)
        self._bucket.level -= 1
        await asyncio.sleep(min(self._chance.lognormvariate(math.log(_MEDIAN_SECONDS), _SPREAD), _MOST_SECONDS))
        (fault,) = self._chance.choices([*_FAULTS, None], [*_FAULTS.values(), 1 - sum(_FAULTS.values())])
        return await (FAULTS[fault](request, body) if fault else super()._answer(request, body))
