"""A provider like a cloud: latencies vary, some answers fail, and there is a quota."""

import asyncio
import math
import random
import time

from aiohttp import web

from benchmarks.quota.bucket import TokenBucket
from tests.provider import FAULTS, ScriptedProvider
from tests.provider.completions import Json

_MEDIAN_SECONDS, _SPREAD, _MAX_SECONDS = 0.4, 0.6, 6.0
_FAULTS = {"500": 0.01, "cut": 0.005, "drop": 0.002, "hang": 0.0005}
"""Share of the calls that each fault affects."""
_REQUESTS_PER_MINUTE, _BURST_SECONDS = 6000, 2.0
"""The quota. The load stays below it, but a backlog after a fault may exceed it."""


class FaultyProvider(ScriptedProvider):
    """Provider with log-normal latencies. It forgets its requests, since a soak sends very many."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._chance = random.Random(seed)
        self._bucket = TokenBucket(_REQUESTS_PER_MINUTE, _BURST_SECONDS)

    async def _answer(self, request: web.Request, body: Json) -> web.StreamResponse:
        self.requests.clear()
        self.calls.clear()
        response = await self._answer_or_fail(request, body)
        if not response.prepared:
            response.headers.update(self._bucket.headers("requests"))
        return response

    async def _answer_or_fail(self, request: web.Request, body: Json) -> web.StreamResponse:
        if self._bucket.refill(time.monotonic()) < 1:
            return await FAULTS["429-ms"](request, body)
        self._bucket.level -= 1
        await asyncio.sleep(min(self._chance.lognormvariate(math.log(_MEDIAN_SECONDS), _SPREAD), _MAX_SECONDS))
        (fault,) = self._chance.choices([*_FAULTS, None], [*_FAULTS.values(), 1 - sum(_FAULTS.values())])
        return await (FAULTS[fault](request, body) if fault else super()._answer(request, body))
