"""llama.cpp in this process, by xllamacpp: its own server, on a socket of the file system that nobody else can open."""

import contextlib
import http.client
import json
import shutil
import socket
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import aiohttp
import xllamacpp
from pydantic_core import from_json

from carteiro.models.failures import ModelUnusable, Unavailable

_QUIET = -1
_WHOLE_LINES = 2**20
"""Bytes of one event that may be read at once."""


class LlamaServer:
    """A loaded model. Requests are JSON, as llama.cpp's server takes them over HTTP; `name` is what failures name.

    Made on any thread, which waits for the model to be read. Raises `ModelUnusable`.
    """

    def __init__(self, name: str, file: Path, *, places: int, context: int, threads: int) -> None:
        self._name = name
        # Only this user may look into the directory, so only this user reaches the socket in it.
        self._directory = tempfile.mkdtemp(prefix="carteiro-")
        self._socket = str(Path(self._directory, "llama.sock"))
        self._session: aiohttp.ClientSession | None = None
        try:
            self._server = xllamacpp.Server(self._parameters(file, places, context, threads))
        except RuntimeError:
            shutil.rmtree(self._directory, ignore_errors=True)
            raise ModelUnusable(
                f"{file} cannot be loaded: llama.cpp does not know this kind of model, the file is damaged, or there "
                "is too little memory"
            ) from None

    def _parameters(self, file: Path, places: int, context: int, threads: int) -> Any:
        given = xllamacpp.CommonParams()
        given.model.path = str(file)
        given.hostnames = [self._socket]  # by its suffix it is no name of a host
        # All requests share one cache of `context` tokens, of which each may have any part.
        given.n_parallel, given.n_ctx, given.kv_unified = places, context, True
        # Up to 8 GB of prompts would be kept otherwise.
        given.cache_ram_mib = 0
        for cpu in (given.cpuparams, given.cpuparams_batch):
            cpu.n_threads, cpu.poll = threads, 0
        # A conversation that ends with the assistant is answered, not continued.
        given.prefill_assistant = False
        given.ui, given.endpoint_slots, given.verbosity = False, False, _QUIET
        return given

    async def connect(self) -> None:
        """Make the connections of the running event loop."""
        # The server closes a connection that was idle for some seconds, at the moment that it is used again.
        connector = aiohttp.UnixConnector(self._socket, limit=0, force_close=True)
        self._session = aiohttp.ClientSession(
            "http://llama", connector=connector, timeout=aiohttp.ClientTimeout(), read_bufsize=_WHOLE_LINES
        )

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer, also where it is a refusal, under `error`. Raises `Unavailable`."""
        assert self._session is not None, "connected by `connect`"
        try:
            async with self._session.post(path, json=body) as response:
                answer: dict[str, Any] = from_json(await response.read())
                return answer
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._gone(error) from None

    async def events(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """The events of one completion, as they come; the last has `stop`. It ends where the iterator is closed."""
        assert self._session is not None, "connected by `connect`"
        try:
            async with self._session.post("/completion", json={**body, "stream": True}) as response:
                async for line in response.content:
                    _, found, said = line.partition(b"{")
                    if found:
                        yield from_json(found + said)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._gone(error) from None

    def post_now(self, path: str, body: dict[str, Any]) -> Any:
        """The answer, waited for on the calling thread. Raises `Unavailable`."""
        try:
            with contextlib.closing(_Connection(self._socket)) as connection:
                connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
                return from_json(connection.getresponse().read())
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise self._gone(error) from None

    async def disconnect(self) -> None:
        """Close the connections; what is being written for them ends."""
        if self._session is not None:
            await self._session.close()

    def stop(self) -> None:
        """End it and give its memory back; the calling thread waits."""
        del self._server
        shutil.rmtree(self._directory, ignore_errors=True)

    def _gone(self, error: Exception) -> Unavailable:
        return Unavailable(f"the model {self._name} failed: {type(error).__name__}")


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("llama")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)
