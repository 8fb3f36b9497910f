"""The model behind `transformers serve` with continuous batching, all requests at once over HTTP."""

import asyncio
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from benchmarks.local.work import Asked, Outcome
from benchmarks.program import Process, program, running
from carteiro.models.local.machine import Machine

_START_SECONDS = 180.0


async def serve(directory: Path, work: Sequence[Asked], machine: Machine, log: Path) -> Outcome:
    """Start it, wait until it is there, ask everything at once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program("transformers"), "serve", str(directory), "--continuous-batching"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", str(machine.device)]
    command += ["--dtype", str(machine.dtype).removeprefix("torch.")]
    with running(command, {"HF_HUB_OFFLINE": "1"}, log) as process:
        timeout = aiohttp.ClientTimeout(total=1800)
        connector = aiohttp.TCPConnector(limit=0)
        url = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession(url, timeout=timeout, connector=connector) as session:
            await _healthy(session, process)
            await _ask(session, directory, work[0])
            outcome = Outcome("transformers serve, continuous batching")
            began = time.perf_counter()

            async def ask(asked: Asked) -> None:
                text, tokens = await _ask(session, directory, asked)
                outcome.answered.append(time.perf_counter() - began)
                outcome.tokens += tokens
                outcome.texts[asked.text] = text

            await asyncio.gather(*map(ask, work))
            return outcome


async def _ask(session: aiohttp.ClientSession, directory: Path, asked: Asked) -> tuple[str, int]:
    body = {
        "model": str(directory),
        "messages": [{"role": "user", "content": asked.text}],
        "max_tokens": asked.limit,
        "temperature": 0,
    }
    async with session.post("/v1/chat/completions", json=body) as response:
        response.raise_for_status()
        said = await response.json()
    return said["choices"][0]["message"]["content"].strip(), said["usage"]["completion_tokens"]


async def _healthy(session: aiohttp.ClientSession, process: Process) -> None:
    give_up = time.monotonic() + _START_SECONDS
    while True:
        try:
            async with session.get("/health") as response:
                if response.ok:
                    return
        except aiohttp.ClientError:
            pass
        if process.ended or time.monotonic() > give_up:
            raise RuntimeError(f"transformers serve did not come up: {process.output[-500:]}")
        await asyncio.sleep(0.2)
