"""Relay in front of the embedded broker, in its own process: it adapts the broker's protocol to clients.

Two requests are changed on their way; all other data pass unchanged:

* The broker makes a group's members wait for half of their session timeout, 15 s for kafkajs. The relay asks for a
  short session, so a group forms in a second, and keeps each member alive for as long as its own session lasts.
* The broker's response to ApiVersions has tagged fields, which older librdkafkas, such as the 2.0 of Debian 12's
  kcat, take for a broken response: they are removed.

Run as a script, without the rest of the package, for a quick start.
"""

import asyncio
import contextlib
import ctypes
import signal
import socket
import struct
import sys
from dataclasses import dataclass, field

MAX_FRAME_BYTES = 256 * 2**20
CLUSTER_ID = "carteiro-embedded"
"""Cluster id that identifies the embedded broker."""
SESSION_MS = 2_000
"""Session timeout in milliseconds that the broker sees: members wait half of it."""
_KEEP_ALIVE_SECONDS = 0.5
_PROBE_SECONDS = 0.02
_PR_SET_PDEATHSIG = 1

_JOIN_GROUP, _HEARTBEAT, _LEAVE_GROUP, _SYNC_GROUP, _API_VERSIONS = 11, 12, 13, 14, 18
_FLEXIBLE = {_JOIN_GROUP: 6, _HEARTBEAT: 4, _SYNC_GROUP: 4}
"""First version of each request whose strings have the compact form (KIP-482)."""
_TAGGED_VERSION = 3
_UNKNOWN_MEMBER = 25


class FieldReader:
    """Reader of a request's or a response's fields, one after the other."""

    def __init__(self, frame: bytes, at: int = 0) -> None:
        self.frame, self.position = frame, at

    def number(self, kind: str) -> int:
        """Return the next number; `kind` is a format of `struct`."""
        (value,) = struct.unpack_from(f">{kind}", self.frame, self.position)
        self.position += struct.calcsize(f">{kind}")
        return int(value)

    def varint(self) -> int:
        """Return the next unsigned number of variable length."""
        value = shift = 0
        while True:
            byte = self.number("B")
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def text(self, *, compact: bool = False) -> bytes:
        """Return the next string; a null string is empty."""
        size = self.varint() - 1 if compact else self.number("h")
        start, self.position = self.position, self.position + max(size, 0)
        return self.frame[start : self.position]

    def skip_tags(self) -> None:
        """Skip tagged fields."""
        for _ in range(self.varint()):
            self.varint()
            size = self.varint()
            self.position += size


@dataclass(slots=True)
class Member:
    """A member of a group. `seen` is the time of its last request, in seconds of the event loop's clock."""

    generation: int
    last_seen: float


@dataclass(slots=True)
class Group:
    """A group's session timeout in seconds, as its members ask for it, and its members by id."""

    session_timeout: float = 30.0
    members: dict[bytes, Member] = field(default_factory=dict)


class GroupTracker:
    """The groups, as known from their members' requests."""

    def __init__(self) -> None:
        self._groups: dict[bytes, Group] = {}

    def on_request(self, frame: bytes, now: float) -> bytes:
        """Record a request's data on its group, and return the request to forward."""
        fields = FieldReader(frame)
        kind, version = fields.number("h"), fields.number("h")
        if kind == _LEAVE_GROUP:
            self._remove_leaving_members(frame)
        if kind not in _FLEXIBLE:
            return frame
        fields.position += 4
        fields.text()
        if compact := version >= _FLEXIBLE[kind]:
            fields.skip_tags()
        group = self._groups.setdefault(fields.text(compact=compact), Group())
        at, number = fields.position, fields.number("i")
        if kind == _JOIN_GROUP:
            group.session_timeout = number / 1000
            return frame[:at] + struct.pack(">i", min(number, SESSION_MS)) + frame[at + 4 :]
        group.members[fields.text(compact=compact)] = Member(number, now)
        return frame

    def heartbeats(self, now: float) -> list[tuple[bytes, bytes, bytes]]:
        """Return group, member and a Heartbeat request for each member whose session lasts."""
        found = []
        for name, group in self._groups.items():
            group.members = {
                each: member for each, member in group.members.items() if now - member.last_seen < group.session_timeout
            }
            for each, member in group.members.items():
                body = struct.pack(">h", len(name)) + name + struct.pack(">ih", member.generation, len(each)) + each
                found.append((name, each, struct.pack(">hhih", _HEARTBEAT, 0, 0, -1) + body))
        return found

    def remove_member(self, group: bytes, member: bytes) -> None:
        """Remove a member that the broker doesn't know."""
        if group in self._groups:
            self._groups[group].members.pop(member, None)

    def _remove_leaving_members(self, frame: bytes) -> None:
        for group in self._groups.values():
            group.members = {each: member for each, member in group.members.items() if each not in frame}


def without_tags(response: bytes) -> bytes:
    """Return a response to ApiVersions, from version 3 on, without its tagged fields."""
    fields = FieldReader(response, 6)
    for _ in range(fields.varint() - 1):
        fields.position += 6
        fields.skip_tags()
    return response[: fields.position + 4] + b"\0"


class Relay:
    """Relay that forwards requests to the broker, and its responses to the client."""

    def __init__(self, broker: tuple[str, int]) -> None:
        self._broker = broker
        self._groups = GroupTracker()

    async def handle_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection until either side closes it."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError, struct.error, IndexError):
            broker_reader, broker_writer = await asyncio.open_connection(*self._broker)
            tagged: set[int] = set()
            tasks = [
                asyncio.create_task(self._forward_requests(reader, broker_writer, tagged)),
                asyncio.create_task(self._forward_responses(broker_reader, writer, tagged)),
            ]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                broker_writer.close()
        writer.close()

    async def _forward_requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tagged: set[int]
    ) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            frame = await _read(reader)
            kind, version, correlation = struct.unpack_from(">hhi", frame)
            if kind == _API_VERSIONS and version >= _TAGGED_VERSION:
                tagged.add(correlation)
            await _write(writer, self._groups.on_request(frame, clock()))

    async def _forward_responses(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tagged: set[int]
    ) -> None:
        while True:
            frame = await _read(reader)
            (correlation,) = struct.unpack_from(">i", frame)
            if correlation in tagged:
                tagged.discard(correlation)
                # An error, such as an unsupported version, has the form of version 0.
                frame = frame if any(frame[4:6]) else without_tags(frame)
            await _write(writer, frame)

    async def keep_alive(self) -> None:
        """Send heartbeats for the members to the broker, again and again."""
        reader, writer = await asyncio.open_connection(*self._broker)
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(_KEEP_ALIVE_SECONDS)
            for group, member, request in self._groups.heartbeats(clock()):
                await _write(writer, request)
                (code,) = struct.unpack_from(">h", await _read(reader), 4)
                if code == _UNKNOWN_MEMBER:
                    self._groups.remove_member(group, member)


async def _read(reader: asyncio.StreamReader) -> bytes:
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    if not 0 <= size <= MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {size} bytes")
    return await reader.readexactly(size)


async def _write(writer: asyncio.StreamWriter, frame: bytes) -> None:
    writer.write(struct.pack(">i", len(frame)) + frame)
    await writer.drain()


def die_with_parent(number: signal.Signals) -> None:
    """Have the kernel send this signal when the parent ends, in any way. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number))


async def run(listener: socket.socket, binary: str) -> int:
    """Run the broker and the relay in front of it, until a signal or the broker's end. Return the exit code."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    inner, outer = f"tcp://127.0.0.1:{port}", f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    process = await asyncio.create_subprocess_exec(
        *(binary, "broker", "--listener-url", inner, "--advertised-listener-url", outer),
        *("--storage-engine", "memory://carteiro/", "--cluster-id", CLUSTER_ID),
        preexec_fn=lambda: die_with_parent(signal.SIGKILL),
    )
    ended = asyncio.create_task(process.wait())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, process.kill)
    relay = Relay(("127.0.0.1", port))
    while not ended.done():
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            break
        await asyncio.sleep(_PROBE_SECONDS)
    if not ended.done():
        server = await asyncio.start_server(relay.handle_connection, sock=listener, limit=2**20)
        keeping = asyncio.create_task(relay.keep_alive())
        await asyncio.wait([ended, keeping], return_when=asyncio.FIRST_COMPLETED)
        server.close()
    if not ended.done():
        process.kill()
    return await ended


if __name__ == "__main__":
    die_with_parent(signal.SIGTERM)
    sys.exit(asyncio.run(run(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])))
