"""The process that reads one file: its media type, charset and bytes on standard input, the text on standard output.

Files are hostile: a small one may unpack to gigabytes, or need hours. A thread could not be stopped, so the kernel ends
this process at a limit of CPU time or memory. The answer is JSON.
"""

import contextlib
import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from carteiro.retrieval.readers.errors import FileRejected, check_length
from carteiro.retrieval.readers.file_text import DOCX, HTML, PDF, FileText

_MEMORY_BYTES = 1024 * 1024 * 1024
_CPU_SECONDS = 60


def main() -> None:
    """Read the file, and write its text, or the reason why it is rejected."""
    header, _, data = sys.stdin.buffer.read().partition(b"\n")
    request = json.loads(header)
    read = _reader(**request)
    _set_limits()
    try:
        text = read(data)
        check_length(text.text, request["max_characters"])
        answer: dict[str, Any] = {"text": text.text, "title": text.title, "page_starts": text.page_starts}
    except FileRejected as error:
        answer = {"reason": error.reason, "is_too_large": error.is_too_large}
    except (MemoryError, RecursionError):
        answer = {"reason": "reading the file takes too much memory", "is_too_large": True}
    # Text may have halves of surrogate pairs, and is several times as long if all of it is escaped.
    sys.stdout.buffer.write(json.dumps(answer, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _reader(media_type: str, charset: str, max_characters: int) -> Callable[[bytes], FileText]:
    """Return the reader of a media type. Its library is imported before memory is limited."""
    match media_type:
        case _ if media_type == PDF:
            from carteiro.retrieval.readers.pdf import read_pdf

            return lambda data: read_pdf(data, max_characters)
        case _ if media_type == DOCX:
            from carteiro.retrieval.readers.docx import read_docx

            return read_docx
        case _ if media_type == HTML:
            from carteiro.retrieval.readers.html import read_html

            return lambda data: read_html(data, charset)
    raise ValueError(f"no reader for {media_type}")


def _set_limits() -> None:
    used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    for limit, value in (
        (resource.RLIMIT_AS, used + _MEMORY_BYTES),
        (resource.RLIMIT_CPU, _CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):  # some systems have no such limit
            resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))


if __name__ == "__main__":
    main()
