"""llama.cpp in this process, through xllamacpp: its own server on a Unix socket that only this user can open."""

import contextlib
import http.client
import json
import shutil
import socket
import tempfile
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import xllamacpp
from pydantic_core import from_json

from carteiro.models.errors import ModelUnusable, Unavailable

_QUIET_VERBOSITY = -1
_MAX_EVENT_BYTES = 2**20
"""Read buffer of the client, in bytes: the maximum size of one event."""


class LlamaServer:
    """A loaded model. Requests are the JSON of llama.cpp's HTTP server; `name` is the model in error messages.

    The constructor may be called on any thread and blocks until the model is loaded. Raise `ModelUnusable` if it cannot
    be loaded.
    """

    def __init__(self, name: str, file: Path, *, slots: int, context_tokens: int, threads: int) -> None:
        self._name = name
        # Only this user can enter the directory, so only this user can reach the socket in it.
        self._directory = tempfile.mkdtemp(prefix="carteiro-")
        self._socket = str(Path(self._directory, "llama.sock"))
        self._session: aiohttp.ClientSession | None = None
        try:
            self._server = xllamacpp.Server(self._parameters(file, slots, context_tokens, threads))
        except RuntimeError:
            shutil.rmtree(self._directory, ignore_errors=True)
            raise ModelUnusable(
                f"{file} cannot be loaded: llama.cpp does not know this kind of model, the file is damaged, or there "
                "is too little memory"
            ) from None

    def _parameters(self, file: Path, slots: int, context_tokens: int, threads: int) -> Any:
        params = xllamacpp.CommonParams()
        params.model.path = str(file)
        params.hostnames = [self._socket]  # the suffix .sock makes it a socket path, not a host name
        # All requests share one cache of `context_tokens` tokens; a request may use any part of it.
        params.n_parallel, params.n_ctx, params.kv_unified = slots, context_tokens, True
        # By default, the server keeps up to 8 GB of prompts.
        params.cache_ram_mib = 0
        for cpu in (params.cpuparams, params.cpuparams_batch):
            cpu.n_threads, cpu.poll = threads, 0
        # By default, the server continues a last message of the assistant instead of answering it.
        params.prefill_assistant = False
        params.ui, params.endpoint_slots, params.verbosity = False, False, _QUIET_VERBOSITY
        return params

    async def connect(self) -> None:
        """Open the HTTP session on the running event loop."""
        # The server closes an idle connection at the moment when it is used again, so connections are not reused.
        connector = aiohttp.UnixConnector(self._socket, limit=0, force_close=True)
        self._session = aiohttp.ClientSession(
            "http://llama", connector=connector, timeout=aiohttp.ClientTimeout(), read_bufsize=_MAX_EVENT_BYTES
        )

    async def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a completion, which has `error` if it was rejected. Raise `Unavailable` if there is no answer."""
        assert self._session is not None, "connected by `connect`"
        try:
            async with self._session.post("/completion", json=body) as response:
                answer: dict[str, Any] = from_json(await response.read())
                return answer
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._unavailable(error) from None

    async def stream_completion(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the events of one completion; the last event has `stop`. Closing the iterator ends the completion.

        Raise `Unavailable` if the connection fails.
        """
        assert self._session is not None, "connected by `connect`"
        try:
            async with self._session.post("/completion", json={**body, "stream": True}) as response:
                async for line in response.content:
                    _, brace, rest = line.partition(b"{")
                    if brace:
                        yield from_json(brace + rest)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._unavailable(error) from None

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        """Return the tokens of a text; blocks the calling thread. Raise `Unavailable` if there is no answer."""
        body = {"content": text, "add_special": add_special, "parse_special": parse_special}
        ids: list[int] = self._post("/tokenize", body)["tokens"]
        return ids

    def apply_template(self, conversation: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer with `prompt`, or with `error` if the chat template rejects the messages.

        `conversation` has `messages`, and `tools` if the model may call any; `variables` are given to the template
        too. It blocks the calling thread. Raise `Unavailable` if there is no answer.
        """
        return self._post("/apply-template", {**conversation, "chat_template_kwargs": dict(variables)})

    async def disconnect(self) -> None:
        """Close the connections, which ends their completions."""
        if self._session is not None:
            await self._session.close()

    def stop(self) -> None:
        """Stop the server and free its memory; blocks the calling thread."""
        del self._server
        shutil.rmtree(self._directory, ignore_errors=True)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            with contextlib.closing(_UnixSocketConnection(self._socket)) as connection:
                connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
                answer: dict[str, Any] = from_json(connection.getresponse().read())
                return answer
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: Exception) -> Unavailable:
        return Unavailable(f"the model {self._name} failed: {type(error).__name__}")


class _UnixSocketConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("llama")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)
