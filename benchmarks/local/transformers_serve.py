"""The model behind `transformers serve` with continuous batching: all requests at once over HTTP."""

import asyncio
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from benchmarks.local.workload import ContenderResult, WorkItem
from benchmarks.process import RunningProcess, program_path, run_process
from carteiro.models.local.transformers.placement import Placement

_START_SECONDS = 180.0


async def run_serve(directory: Path, work: Sequence[WorkItem], machine: Placement, log: Path) -> ContenderResult:
    """Start the server, wait until it is ready, and send everything at once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program_path("transformers"), "serve", str(directory), "--continuous-batching"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", str(machine.device)]
    command += ["--dtype", str(machine.dtype).removeprefix("torch.")]
    with run_process(command, {"HF_HUB_OFFLINE": "1"}, log) as process:
        timeout = aiohttp.ClientTimeout(total=1800)
        connector = aiohttp.TCPConnector(limit=0)
        url = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession(url, timeout=timeout, connector=connector) as session:
            await _wait_until_healthy(session, process)
            await _ask(session, directory, work[0])
            outcome = ContenderResult("transformers serve, continuous batching")
            began = time.perf_counter()

            async def ask(item: WorkItem) -> None:
                text, tokens = await _ask(session, directory, item)
                outcome.answered_at.append(time.perf_counter() - began)
                outcome.tokens += tokens
                outcome.texts[item.text] = text

            await asyncio.gather(*map(ask, work))
            return outcome


async def _ask(session: aiohttp.ClientSession, directory: Path, item: WorkItem) -> tuple[str, int]:
    body = {
        "model": str(directory),
        "messages": [{"role": "user", "content": item.text}],
        "max_tokens": item.max_tokens,
        "temperature": 0,
    }
    async with session.post("/v1/chat/completions", json=body) as response:
        response.raise_for_status()
        body = await response.json()
    return body["choices"][0]["message"]["content"].strip(), body["usage"]["completion_tokens"]


async def _wait_until_healthy(session: aiohttp.ClientSession, process: RunningProcess) -> None:
    give_up = time.monotonic() + _START_SECONDS
    while True:
        try:
            async with session.get("/health") as response:
                if response.ok:
                    return
        except aiohttp.ClientError:
            pass
        if process.has_exited or time.monotonic() > give_up:
            raise RuntimeError(f"transformers serve did not come up: {process.output[-500:]}")
        await asyncio.sleep(0.2)
