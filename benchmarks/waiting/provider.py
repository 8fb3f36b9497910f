"""`python -m benchmarks.waiting.provider`: a provider with live calls and batches, in its own process."""

import asyncio

from tests.provider import ScriptedProvider

_POLLS = 6
"""Number of polls after which a batch is completed."""


async def serve() -> None:
    """Serve until the process ends. The first line of output is the address."""
    async with ScriptedProvider() as provider:
        provider.batches.looks = _POLLS
        print(provider.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
