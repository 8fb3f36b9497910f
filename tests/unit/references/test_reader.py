"""The reader of texts: what is permitted, and its limits."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from carteiro.references import reader as module
from carteiro.references.address import Address
from carteiro.references.allow_list import parse_allow_list
from carteiro.references.body import Body
from carteiro.references.errors import ReferenceRefused, StoreUnavailable, TextUnavailable
from carteiro.references.https_reader import HttpsReader
from carteiro.references.object_stores import ObjectStores
from carteiro.references.reader import FILE_FACTOR, MEMORY_FACTOR, ReferenceReader
from tests.s3_server import S3Server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text("Olá")
    (tmp_path / "b.txt").write_text("x" * 8)
    return tmp_path


def make_reader(allowed: str, max_bytes: int = 10) -> ReferenceReader:
    return ReferenceReader(parse_allow_list(allowed), max_bytes, ObjectStores())


async def test_texts_of_several_stores_are_read(folder: Path, s3_environment: S3Server) -> None:
    reader = make_reader(f"s3://letters/in,{folder.as_uri()}")
    uris = [s3_environment.put("in/c.txt", b"abc"), (folder / "a.txt").as_uri()]
    texts, _ = await reader.read(Counter(uris))
    assert texts == dict(zip(uris, ["abc", "Olá"], strict=True))


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("s3://letters/a", "is not among the addresses"),
        ("file:///etc/passwd", "is not among the addresses"),
        ("https://169.254.169.254/latest/meta-data", "is not among the addresses"),
        ("http://example.com/a", "is not encrypted"),
        ("malformed", "does not begin with"),
    ],
)
async def test_address_that_is_not_permitted_is_refused_before_anything_is_read(
    folder: Path, uri: str, reason: str
) -> None:
    with pytest.raises(ReferenceRefused, match=reason) as caught:
        await make_reader(folder.as_uri()).read({(folder / "missing").as_uri(): 1, uri: 1})
    assert caught.value.uri == uri


async def test_texts_of_a_request_share_one_limit(folder: Path) -> None:
    reader = make_reader(folder.as_uri())
    await reader.read({(folder / "b.txt").as_uri(): 1})
    with pytest.raises(ReferenceRefused, match="have at most 10 bytes") as caught:
        await reader.read({(folder / "b.txt").as_uri(): 1, (folder / "a.txt").as_uri(): 1})
    assert caught.value.is_too_large
    assert caught.value.uri.endswith("a.txt")


async def test_text_counts_for_each_of_its_places(folder: Path) -> None:
    reader, uri = make_reader(folder.as_uri()), (folder / "a.txt").as_uri()
    await reader.read({uri: 2})
    with pytest.raises(ReferenceRefused) as caught:
        await reader.read({uri: 3})
    assert caught.value.is_too_large


async def test_texts_in_memory_have_a_limit(folder: Path) -> None:
    reader = make_reader(folder.as_uri())
    uri = (folder / "b.txt").as_uri()
    held = [await reader.read({uri: 1}) for _ in range(MEMORY_FACTOR)]
    held += [await reader.read({uri: 1}) for _ in range(3)]  # what the texts do not need was given back
    waiting = asyncio.create_task(reader.read({uri: 1}))
    await asyncio.sleep(0)
    assert not waiting.done()
    for _, reservation in held:
        reservation.release()
    assert (await waiting)[0] == {uri: "x" * 8}


async def test_file_of_any_type_is_read_within_the_same_limits(folder: Path) -> None:
    (folder / "ten").write_bytes(bytes(range(246, 256)))
    reader = make_reader(f"file://{folder}")
    content, reservation = await reader.read_bytes(f"file://{folder}/ten")
    with reservation:
        assert (content.data, content.content_type) == (bytes(range(246, 256)), "")
    (folder / "ten").write_bytes(bytes(11))
    for _ in range(MEMORY_FACTOR + 1):
        with pytest.raises(ReferenceRefused) as caught:
            await reader.read_bytes(f"file://{folder}/ten")
        assert caught.value.is_too_large


async def test_refused_text_keeps_no_memory(folder: Path) -> None:
    reader = make_reader(folder.as_uri())
    for _ in range(2 * MEMORY_FACTOR):
        with pytest.raises(ReferenceRefused):
            await reader.read({(folder / "missing").as_uri(): 1})


async def test_slow_store_is_unavailable(
    folder: Path, s3_environment: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_READ_SECONDS", 0.0)
    with pytest.raises(StoreUnavailable, match="took more than 0 s"):
        await make_reader("s3://letters").read({s3_environment.put("a", b"abc"): 1})


class SlowServers(HttpsReader):
    """HTTPS servers that send nothing until `served` is set."""

    def __init__(self) -> None:
        self.opened, self.served = 0, asyncio.Event()

    @asynccontextmanager
    async def open(self, address: Address) -> AsyncIterator[Body]:
        self.opened += 1
        await self.served.wait()
        yield Body(_chunks(b"late"))


async def _chunks(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@pytest.mark.parametrize("has_files", [False, True])
async def test_servers_that_send_slowly_hold_up_no_other_store(folder: Path, has_files: bool) -> None:
    servers = SlowServers()
    allowed = parse_allow_list(f"https://texts.example, {folder.as_uri()}")
    reader = ReferenceReader(allowed, 10, ObjectStores(), servers)
    own = (folder / "a.txt").as_uri()
    uris = [f"https://texts.example/{number}" for number in range(3 * MEMORY_FACTOR)]
    slow = [asyncio.create_task(reader.read({own: 1, uri: 1}, [uri] if has_files else [])) for uri in uris]
    at_once = MEMORY_FACTOR // 2 // (FILE_FACTOR if has_files else 1)
    try:
        async with asyncio.timeout(30):
            while servers.opened < at_once:
                await asyncio.sleep(0)
            held = [
                await reader.read({own: 1}, [own] if has_files else [])
                for _ in range(MEMORY_FACTOR // (4 if has_files else 1))
            ]
        assert servers.opened == at_once
        assert all(texts[own] in ("Olá", "Olá".encode()) for texts, _ in held)
    finally:
        servers.served.set()
        for _, reservation in [*held, *await asyncio.gather(*slow[:at_once])]:
            reservation.release()
        for each in slow:
            each.cancel()
        await asyncio.gather(*slow, return_exceptions=True)


async def test_time_is_that_of_all_texts_of_a_request() -> None:
    now = 0.0

    class Server(SlowServers):
        @asynccontextmanager
        async def open(self, address: Address) -> AsyncIterator[Body]:
            nonlocal now
            now += 35  # seconds; each text by itself is in time
            self.opened += 1
            yield Body(_chunks(b"a"))

    servers = Server()
    reader = ReferenceReader(parse_allow_list("https://texts.example"), 10, ObjectStores(), servers, lambda: now)
    with pytest.raises(TextUnavailable, match=r"more than 60 s \(https://texts\.example\)"):
        await reader.read({f"https://texts.example/{number}": 1 for number in range(5)})
    assert servers.opened == 2


async def test_file_is_read_as_bytes_and_takes_more_memory(folder: Path) -> None:
    reader = make_reader(folder.as_uri())
    (folder / "c.bin").write_bytes(b"\xff\0\xfe")
    text, file = (folder / "a.txt").as_uri(), (folder / "c.bin").as_uri()
    found, reservation = await reader.read({text: 1, file: 2}, {file})
    assert found == {text: "Olá", file: b"\xff\0\xfe"}
    assert reservation._size == 4 + FILE_FACTOR * 2 * 3
    with pytest.raises(ReferenceRefused) as caught:
        await reader.read({file: 4}, {file})
    assert caught.value.is_too_large


async def test_files_of_earlier_requests_are_read_as_far_as_possible(folder: Path) -> None:
    reader = make_reader(folder.as_uri())
    names = ["b.txt", "missing", "a.txt", "c.txt"]  # 8 bytes, none, 4 that do not fit, 2
    (folder / "c.txt").write_text("xy")
    uris = [(folder / name).as_uri() for name in names]
    found, reservation = await reader.read_available([*uris, "s3://secrets/a"])
    assert found == {uris[0]: b"x" * 8, uris[3]: b"xy"}
    assert reservation._size == FILE_FACTOR * 10


async def test_deferral_for_earlier_files_does_not_wait_for_those_who_wait(folder: Path) -> None:
    reader, uri = make_reader(folder.as_uri()), (folder / "b.txt").as_uri()
    for _ in range(MEMORY_FACTOR):
        reservation = (await reader.read({uri: 1}))[1]
        reservation._size = 0  # the memory stays taken
    async with asyncio.timeout(10):
        assert (await reader.read_available([uri]))[0]
