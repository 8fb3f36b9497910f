"""Reading of files, each in a process of its own with limits."""

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress
from dataclasses import replace
from email.message import Message
from typing import Any

from carteiro.extras import needs
from carteiro.retrieval.document import MAX_PAGES, MAX_TEXT_CHARACTERS
from carteiro.retrieval.headings import first_heading
from carteiro.retrieval.readers.errors import FileRejected, check_length
from carteiro.retrieval.readers.file_text import DOCX, HTML, MARKDOWN, PLAIN, FileText, known_media_type
from carteiro.retrieval.readers.plain import read_plain

MAX_FILE_BYTES = 64 * 1024 * 1024
_MAX_PROCESSES = 2
_MODULE = "carteiro.retrieval.readers.process"
_WALL_SECONDS = 120.0
"""Longest time for a file. The process itself ends after 60 seconds of CPU time."""


class DocumentFileReader:
    """Reads files of any sender. A file may take time and memory, but not more than its limits."""

    def __init__(self, max_processes: int = _MAX_PROCESSES) -> None:
        """At most `max_processes` files are read at a time. Raise `ExtraMissing`."""
        needs("reading of files", "retrieval", "pypdf", "mammoth")
        self._free = asyncio.Semaphore(max_processes)

    async def read(
        self, data: bytes, media_type: str = "", name: str = "", max_characters: int = MAX_TEXT_CHARACTERS
    ) -> FileText:
        """Return the text of a file. `media_type` may have a charset; `name` is that of the file, or its address.

        Raise `FileRejected`.
        """
        if len(data) > MAX_FILE_BYTES:
            raise FileRejected(f"the file has {len(data)} bytes, more than {MAX_FILE_BYTES}", is_too_large=True)
        kind = known_media_type(data, media_type, name)
        if kind is None:
            raise FileRejected("the file is no text, Markdown, HTML, PDF or .docx document")
        charset = _charset(media_type)
        if kind in (PLAIN, MARKDOWN):
            text = await asyncio.to_thread(read_plain, data, charset)
        else:
            async with self._free:
                text = await _read_in_process(data, kind, charset, max_characters)
        if not text.title and kind in (MARKDOWN, HTML, DOCX):
            text = replace(text, title=await asyncio.to_thread(first_heading, text.text))
        check_length(text.text, max_characters)
        if len(text.page_starts) > MAX_PAGES:
            return FileText(text.text, text.title)
        return text


def _charset(media_type: str) -> str:
    message = Message()
    printable = media_type.encode("ascii", "replace").decode()
    message["Content-Type"] = printable.replace("\r", " ").replace("\n", " ")
    return message.get_content_charset() or ""


async def _read_in_process(data: bytes, media_type: str, charset: str, max_characters: int) -> FileText:
    header = json.dumps({"media_type": media_type, "charset": charset, "max_characters": max_characters})
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", _MODULE, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    try:
        async with asyncio.timeout(_WALL_SECONDS):
            output, _ = await process.communicate(header.encode() + b"\n" + data)
    except TimeoutError:
        raise FileRejected("reading the file takes too long", is_too_large=True) from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await asyncio.shield(process.wait())
    if process.returncode != 0:
        raise FileRejected("reading the file takes too much time or memory", is_too_large=True)
    answer = await asyncio.to_thread(_parse, output)
    if "reason" in answer:
        raise FileRejected(answer["reason"], is_too_large=answer["is_too_large"])
    return FileText(answer["text"], answer["title"], tuple(answer["page_starts"]))


def _parse(output: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(output.decode("utf-8", "surrogatepass"))
    return answer
