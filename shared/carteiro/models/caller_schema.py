"""A caller's JSON Schema: bounded, and applied in separate processes that are ended if it takes too long.

A schema is an untrusted program: some schemas take exponential time on data of a few bytes.
"""

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from typing import Any
from weakref import WeakKeyDictionary

from carteiro.models.errors import InvalidOutput, InvalidPrompt, Unavailable
from carteiro.models.schema_limits import CPU_SECONDS, FAST_CPU_SECONDS, MEMORY_BYTES, SchemaTooLarge, check_limits

_FAST_PROCESSES, _SLOW_PROCESSES = 2, 1
_MAX_ATTEMPTS = 3
"""Number of attempts to apply a schema, if processes are ended from outside."""


class CallerSchema:
    """A JSON Schema (draft 2020-12) in the field `field` of a request.

    Raise `InvalidPrompt` for a schema beyond the limits.
    """

    def __init__(self, schema: dict[str, Any], field: str = "json_schema") -> None:
        self._field = field
        try:
            check_limits(schema)
        except SchemaTooLarge as error:
            raise InvalidPrompt(f"{field}: {error}") from None
        self._schema = json.dumps(schema)

    async def check(self) -> None:
        """Compile the schema. Raise `InvalidPrompt` if it is not a JSON Schema."""
        await self._apply(None)

    async def parse(self, text: str) -> tuple[Any, str]:
        """Return the JSON in a completion that follows the schema: the data, and their text.

        Raise `InvalidOutput` for a completion that does not follow it, and `InvalidPrompt` if the check takes too long.
        """
        found = await self._apply(text)
        return json.loads(found), found

    async def _apply(self, text: str | None) -> Any:
        request = {"schema": self._schema, "field": self._field, "text": text}
        pools = _pools.setdefault(asyncio.get_running_loop(), _ProcessPools())
        answer = await pools.fast.call(request)
        if "overrun" in answer:
            answer = await pools.slow.call(request)
        if "overrun" in answer:
            reason = f"takes more than {CPU_SECONDS:g} s or {MEMORY_BYTES >> 20} MiB to apply: make it simpler"
            raise InvalidPrompt(f"{self._field}: {reason}")
        if "invalid_prompt" in answer:
            raise InvalidPrompt(answer["invalid_prompt"])
        if "invalid_output" in answer:
            raise InvalidOutput(answer["invalid_output"], answer["detail"])
        return answer["read"]


class _ProcessPool:
    """Pool of processes that apply schemas, started when they are needed.

    A process that has ended, or that was interrupted, is replaced.
    """

    def __init__(self, processes: int, cpu_seconds: float) -> None:
        self._semaphore = asyncio.Semaphore(processes)
        self._cpu_seconds = cpu_seconds
        self._idle: list[Process] = []

    async def call(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the response to a request. Raise `Unavailable` if processes cannot run here."""
        async with self._semaphore:
            for _ in range(_MAX_ATTEMPTS):
                # A process may be ended from outside, as by a kernel short of memory: the schema is not the cause.
                with contextlib.suppress(EOFError, OSError):
                    async with self._lease_process() as process:
                        return await _exchange(process, {**request, "cpu_seconds": self._cpu_seconds})
        raise Unavailable("the worker cannot run the processes that apply JSON Schemas: they were ended from outside")

    @contextlib.asynccontextmanager
    async def _lease_process(self) -> AsyncIterator[Process]:
        process = self._idle.pop() if self._idle else await _start_process()
        try:
            yield process
        except BaseException:
            if process.returncode is None:
                process.kill()
            raise
        self._idle.append(process)


class _ProcessPools:
    """Two pools of processes. Slow schemas have their own pool, so that fast schemas do not wait for them."""

    def __init__(self) -> None:
        self.fast = _ProcessPool(_FAST_PROCESSES, FAST_CPU_SECONDS)
        self.slow = _ProcessPool(_SLOW_PROCESSES, CPU_SECONDS)


_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, _ProcessPools] = WeakKeyDictionary()


async def _start_process() -> Process:
    module = "carteiro.models.schema_process"
    return await asyncio.create_subprocess_exec(sys.executable, "-m", module, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)


async def _exchange(process: Process, request: dict[str, Any]) -> dict[str, Any]:
    """Send a request and return the response. Raise `EOFError` if the process ends before."""
    assert process.stdin is not None
    assert process.stdout is not None
    message = json.dumps(request).encode()
    process.stdin.write(len(message).to_bytes(4, "big") + message)
    await process.stdin.drain()
    size = int.from_bytes(await process.stdout.readexactly(4), "big")
    answer: dict[str, Any] = json.loads(await process.stdout.readexactly(size))
    return answer
