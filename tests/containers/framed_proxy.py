"""A proxy in front of a broker. It closes a connection on too large a request, as Azure Event Hubs does."""

import asyncio
import math
import struct
from typing import Self

_PRODUCE = 0
_METADATA = 3


class FramedProxy:
    """Proxy that listens at `address` and forwards requests to a broker. Its responses name the proxy's own port."""

    def __init__(
        self, broker: str, max_bytes: int, advertised: bytes = b"127.0.0.1", produce_rate: float = math.inf
    ) -> None:
        """Take `advertised`, the host (nine bytes) that replaces the broker's in responses, and `produce_rate`, the
        limit on produce requests in bytes a second.
        """
        self._produce_rate = produce_rate
        host, _, port = broker.rpartition(":")
        self._broker, self._max_bytes = (host, int(port)), max_bytes
        self._advertised = advertised
        self.produced: list[int] = []
        """Sizes of the produce requests, in bytes."""
        self.closed: list[int] = []
        """Sizes of the requests for which a connection was closed, in bytes."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=64 * 2**20)
        self._port: int = self._server.sockets[0].getsockname()[1]
        self.address = f"127.0.0.1:{self._port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broker_reader, broker_writer = await asyncio.open_connection(*self._broker)
        keys: dict[int, int] = {}
        tasks = [
            asyncio.create_task(self._requests(reader, broker_writer, keys)),
            asyncio.create_task(self._answers(broker_reader, writer, keys)),
        ]
        self._tasks.update(tasks)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for each in (writer, broker_writer):
            each.close()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, keys: dict[int, int]) -> None:
        while frame := await _read(reader):
            key, _, correlation_id = struct.unpack_from(">hhi", frame)
            keys[correlation_id] = key
            if key == _PRODUCE:
                self.produced.append(len(frame))
                await asyncio.sleep(len(frame) / self._produce_rate)
            if len(frame) > self._max_bytes:
                self.closed.append(len(frame))
                return
            writer.write(struct.pack(">i", len(frame)) + frame)
            await writer.drain()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, keys: dict[int, int]) -> None:
        port = struct.pack(">i", self._broker[1])
        while frame := await _read(reader):
            if keys.pop(struct.unpack_from(">i", frame)[0], None) in (_METADATA, 10):
                frame = frame.replace(b"127.0.0.1" + port, self._advertised + struct.pack(">i", self._port))
            writer.write(struct.pack(">i", len(frame)) + frame)
            await writer.drain()


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readexactly(struct.unpack(">i", await reader.readexactly(4))[0])
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
