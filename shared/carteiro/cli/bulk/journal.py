"""An append-only file of lines, which stays readable after its writer was killed."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_CHUNK = 64 * 1024


class JobFailed(Exception):
    """A job cannot begin or resume. The message says why, and what to do."""


class Journal:
    """An open journal, for one process at a time.

    A line counts only if its line feed is written. A partial line of a killed process is cut off.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or create it. Raise `JobFailed` if that is not possible."""
        self.path = path
        try:
            self._file = path.open("a+b")
        except OSError as error:
            raise JobFailed(f"{path}: {error.strerror}") from None
        self._lock()
        self._truncate_partial_line()

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines and their numbers, from 1."""
        self._file.seek(0)
        yield from enumerate(self._file, 1)

    def append(self, line: bytes, *, durable: bool = False) -> None:
        """Write a line. A `durable` line is on the disk when this returns, so that a power cut does not remove it.

        Raise `JobFailed` if it cannot be written.
        """
        try:
            self._file.write(line + b"\n")
            self._file.flush()
            if durable:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise JobFailed(f"{self.path}: {error.strerror}") from None

    def close(self) -> None:
        """Close the file, so that another process can open it."""
        # Data that a full disk did not take are written again here. The next process to open the file cuts off a
        # partial line.
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
            # Some network file systems have no locks. The user must then not start the job twice.
            return

    def _truncate_partial_line(self) -> None:
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
