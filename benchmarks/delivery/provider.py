"""`python -m benchmarks.delivery.provider SECONDS`: serve a fixed chat completion with this latency."""

import asyncio
import json
import sys

COMPLETION = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": "bench",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "The keeper lit the lamp and listened to the sea."},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 20, "completion_tokens": 11, "total_tokens": 31},
    }
).encode()


ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(COMPLETION) + COMPLETION
)
_BACKLOG = 2048
_TIMER_DELAY = 0.0005
"""Seconds by which asyncio's timers are late on average: they end with a whole millisecond of the selector."""


class Connection(asyncio.Protocol):
    """A kept connection, with one request at a time.

    It reads no more of HTTP than a length: the calls through aiohttp's server took 8 ms longer than its latency of a
    second if 1,024 were in flight, which counted as the workers' time.
    """

    _transport: asyncio.Transport

    def __init__(self, latency: float) -> None:
        self._latency, self._received = latency, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            self._received = body[length:]
            asyncio.get_running_loop().call_later(self._latency - _TIMER_DELAY, self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(ANSWER)


async def serve(latency: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(latency), "127.0.0.1", 0, backlog=_BACKLOG)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"url": f"http://127.0.0.1:{port}/v1"}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
