"""`python -m tests.provider --port N`: the provider as a process of its own.

`model: fault-NAME` requests a fault. With `--behave groq` it behaves as Groq does, or as another provider of the
catalogue; `model: error-rate_limited` requests that error. Its batches are completed at the second status request, or
at the number in `--looks`.
"""

import argparse
import asyncio
import signal

from tests.provider import FAULTS, Provider
from tests.provider.catalogue import BEHAVIOURS, CatalogueProvider


async def serve(host: str, port: int, looks: int, behave: str | None) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with CatalogueProvider(BEHAVIOURS[behave], host, port) if behave else Provider(host, port) as provider:
        provider.batches.looks = looks
        print(f"listening on {provider.url}", flush=True)
        await stopped.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.provider", description=f"Faults: {', '.join(FAULTS)}")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="port number; 0 for a free port, which is printed")
    parser.add_argument("--looks", type=int, default=2, help="status requests until a batch is completed")
    parser.add_argument(
        "--behave", choices=BEHAVIOURS, help="name of a provider in the catalogue whose behaviour it has"
    )
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.host, arguments.port, arguments.looks, arguments.behave))
