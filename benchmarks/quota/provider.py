"""A provider with a real quota over HTTP, until it is killed: `python -m benchmarks.quota.provider --limit 600`."""

import argparse
import asyncio
import math
import random
import time

from aiohttp import web

from benchmarks.quota.bucket import TokenBucket
from tests.provider.completions import complete

RATE_LIMIT_ERROR = {
    "error": {"message": "Rate limit reached", "type": "requests", "param": None, "code": "rate_limit_exceeded"},
}


class LimitedProvider:
    """Provider that counts accepted and refused calls. It answers after a lognormal time around `median` seconds."""

    def __init__(self, limit: float, burst: float, median: float, headers: bool) -> None:
        self._bucket = TokenBucket(limit, burst)
        self._median, self._headers = median, headers
        self._random = random.Random(1)
        self._begin = time.monotonic()
        self.accepted: list[float] = []
        self.refused: list[float] = []

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        now = time.monotonic() - self._begin
        if self._bucket.refill(now) < 1:
            self.refused.append(now)
            wait = self._bucket.seconds_until(1)
            headers = {"Retry-After": f"{math.ceil(wait)}", "retry-after-ms": f"{math.ceil(wait * 1000)}"}
            return web.json_response(RATE_LIMIT_ERROR, status=429, headers=headers | self._rate_limit_headers())
        self._bucket.level -= 1
        self.accepted.append(now)
        headers = self._rate_limit_headers()
        await asyncio.sleep(self._median * math.exp(self._random.gauss(0, 0.5)))
        return web.json_response(complete(body), headers=headers)

    async def counts(self, _: web.Request) -> web.Response:
        return web.json_response(
            {"accepted": self.accepted, "refused": self.refused, "now": time.monotonic() - self._begin}
        )

    def _rate_limit_headers(self) -> dict[str, str]:
        return self._bucket.headers("requests") if self._headers else {}


async def serve(arguments: argparse.Namespace) -> None:
    provider = LimitedProvider(arguments.limit, arguments.burst, arguments.median, not arguments.silent)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", provider.answer)
    app.router.add_get("/counts", provider.counts)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="benchmarks.quota.provider")
    parser.add_argument("--limit", type=float, default=600)
    parser.add_argument("--burst", type=float, default=60)
    parser.add_argument("--median", type=float, default=1.0)
    parser.add_argument("--silent", action="store_true", help="no rate-limit headers")
    asyncio.run(serve(parser.parse_args()))
