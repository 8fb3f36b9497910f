"""`python -m tests.provider --port N`: the provider as a process of its own. `model: fault-NAME` asks for a fault.

Its batches are completed by the second look at them, or the one that `--looks` says.
"""

import argparse
import asyncio
import signal

from tests.provider import FAULTS, Provider


async def serve(host: str, port: int, looks: int) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with Provider(host, port) as provider:
        provider.batches.looks = looks
        print(f"listening on {provider.url}", flush=True)
        await stopped.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.provider", description=f"Faults: {', '.join(FAULTS)}")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: a free one, which is printed")
    parser.add_argument("--looks", type=int, default=2, help="how often a batch is looked at until it is completed")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.host, arguments.port, arguments.looks))
