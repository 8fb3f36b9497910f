"""Reader of files below permitted folders."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from carteiro.references.address import Address
from carteiro.references.body import Body
from carteiro.references.errors import ReferenceRefused, StoreUnavailable

_CHUNK_BYTES = 256 * 1024


@asynccontextmanager
async def open_file(address: Address, entry: Address) -> AsyncIterator[Body]:
    """Open the file of an address for the `with` block. `entry` is the permitted folder or file.

    Threads read it. Raise `ReferenceRefused` and `StoreUnavailable`.
    """
    descriptor = await asyncio.to_thread(_open_below, Path("/", *entry.segments), Path("/", *address.segments))
    try:
        yield Body(_read(descriptor), os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)


async def _read(descriptor: int) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(_read_chunk, descriptor):
        yield chunk


def _read_chunk(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _CHUNK_BYTES)
    except OSError as error:
        raise StoreUnavailable(f"a file cannot be read: {type(error).__name__}") from None


def _open_below(folder: Path, path: Path) -> int:
    """Return the descriptor of a regular file in `folder`, or of `folder` itself if that is a file.

    Symbolic links are resolved first, and the result has to be in the folder. It is then opened part by part, without
    links: so nobody can exchange a part for a link in between.
    """
    try:
        folder, resolved = folder.resolve(strict=True), path.resolve(strict=True)
    except (OSError, RuntimeError):
        raise ReferenceRefused("names no file that can be read") from None
    if not resolved.is_relative_to(folder):
        raise ReferenceRefused("leads out of the folder that may be read")
    parts = resolved.relative_to(folder).parts
    if not parts:
        folder, parts = folder.parent, (folder.name,)
    try:
        return _open_regular(folder, parts)
    except OSError as error:
        if isinstance(error, FileNotFoundError | PermissionError | NotADirectoryError | IsADirectoryError):
            raise ReferenceRefused("names no file that can be read") from None
        raise StoreUnavailable(f"a file cannot be read: {type(error).__name__}") from None


def _open_regular(folder: Path, parts: tuple[str, ...]) -> int:
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
            os.close(at)
            at = below
        # A device may react to being opened, so the kind is checked before it too.
        _check_regular(os.stat(parts[-1], dir_fd=at, follow_symlinks=False))
        opened = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
    finally:
        os.close(at)
    try:
        _check_regular(os.fstat(opened))
    except BaseException:
        os.close(opened)
        raise
    return opened


def _check_regular(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ReferenceRefused("names no regular file")
