"""`python -m benchmarks.waiting.provider`: a provider as a process of its own, live calls and batches."""

import asyncio

from tests.provider import ScriptedProvider

_LOOKS = 6
"""A batch is done when it has been looked at so often."""


async def serve() -> None:
    """Serve until the process ends; the first line says where."""
    async with ScriptedProvider() as provider:
        provider.batches.looks = _LOOKS
        print(provider.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
