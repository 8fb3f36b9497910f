"""A file of lines that is only ever appended to, and is whole again after its writer was killed."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_CHUNK = 64 * 1024


class JobFailed(Exception):
    """A job that cannot begin or go on. The message says why, and what to do."""


class Journal:
    """An open journal, for one process at a time.

    A line counts once its end is written. What a process that was killed has left of one is cut off.
    """

    def __init__(self, path: Path) -> None:
        """Open it; it is made where there is none. Raises `JobFailed`."""
        self.path = path
        try:
            self._file = path.open("a+b")
        except OSError as error:
            raise JobFailed(f"{path}: {error.strerror}") from None
        self._lock()
        self._cut()

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines and their numbers, from 1."""
        self._file.seek(0)
        yield from enumerate(self._file, 1)

    def append(self, line: bytes, *, lasting: bool = False) -> None:
        """Write a line. A `lasting` one is on the disk when this returns, so that a power cut does not take it.

        Raises `JobFailed`.
        """
        try:
            self._file.write(line + b"\n")
            self._file.flush()
            if lasting:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise JobFailed(f"{self.path}: {error.strerror}") from None

    def close(self) -> None:
        """Let others have it."""
        # What a full disk did not take is tried once more, and cut off by the next to open the file.
        try:
            self._file.close()
        except OSError as error:
            raise JobFailed(f"{self.path}: {error.strerror}") from None

    def _lock(self) -> None:
        if sys.platform == "win32":
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise JobFailed(f"{self.path}: another carteiro is at work on it") from None
        except OSError:
            # Some network file systems have no locks: then it is for the user not to start the job twice.
            return

    def _cut(self) -> None:
        end = kept = self._file.seek(0, os.SEEK_END)
        while kept:
            start = max(0, kept - _CHUNK)
            self._file.seek(start)
            newline = self._file.read(kept - start).rfind(b"\n")
            if newline >= 0:
                kept = start + newline + 1
                break
            kept = start
        if kept < end:
            self._file.truncate(kept)
