"""Files below a permitted folder, and nothing else."""

import os
from pathlib import Path

import pytest

from carteiro.references.address import parse_address, parse_prefix
from carteiro.references.body import read_text
from carteiro.references.errors import ReferenceRefused, StoreUnavailable
from carteiro.references.file_reader import open_file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "texts"
    (folder / "sub").mkdir(parents=True)
    (folder / "a b.txt").write_text("Olá")
    (folder / "sub" / "c.txt").write_text("below")
    return folder


async def read(path: Path, entry: Path) -> str:
    async with open_file(parse_address(path.as_uri()), parse_prefix(entry.as_uri())) as body:
        assert body.size is not None
        return await read_text(body, 1000)


async def test_file_below_the_folder_is_read(folder: Path) -> None:
    assert await read(folder / "a b.txt", folder) == "Olá"
    assert await read(folder / "sub" / "c.txt", folder) == "below"


async def test_permitted_file_is_read_by_itself(folder: Path) -> None:
    assert await read(folder / "a b.txt", folder / "a b.txt") == "Olá"


async def test_link_within_the_folder_is_followed(folder: Path) -> None:
    (folder / "link.txt").symlink_to("sub/c.txt")
    (folder / "linked").symlink_to("sub")
    assert await read(folder / "link.txt", folder) == "below"
    assert await read(folder / "linked" / "c.txt", folder) == "below"


async def test_folder_may_be_a_link_itself(folder: Path) -> None:
    (folder.parent / "alias").symlink_to(folder)
    assert await read(folder.parent / "alias" / "a b.txt", folder.parent / "alias") == "Olá"


@pytest.mark.parametrize("target", ["../secret.txt", "/etc/passwd", "../../../../../../etc/passwd"])
async def test_link_out_of_the_folder_is_refused(folder: Path, target: str) -> None:
    (folder / "link.txt").symlink_to(target)
    with pytest.raises(ReferenceRefused):
        await read(folder / "link.txt", folder)


async def test_folder_that_leads_out_by_a_link_is_refused(folder: Path) -> None:
    (folder / "up").symlink_to("..")
    with pytest.raises(ReferenceRefused, match="leads out of the folder"):
        await read(folder / "up" / "secret.txt", folder)


async def test_pipe_device_or_folder_is_refused_at_once(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "null").symlink_to("/dev/null")
    (folder / "loop").symlink_to("loop")
    for name in ("pipe", "null", "loop", "sub", "missing.txt", "a b.txt/x"):
        with pytest.raises(ReferenceRefused):
            await read(folder / name, folder)
    with pytest.raises(ReferenceRefused, match="names no regular file"):
        await read(Path("/dev/zero"), Path("/dev"))


async def test_file_is_closed_after_the_block(folder: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        await read(folder / "a b.txt", folder)
        with pytest.raises(ReferenceRefused):
            await read(folder / "sub", folder)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 5


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux")
async def test_file_that_cannot_be_read_now_is_an_unavailable_store() -> None:
    with pytest.raises(StoreUnavailable, match="OSError"):
        await read(Path("/proc/self/mem"), Path("/proc/self"))
