"""A provider's files: the inputs and outputs of its batches."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from io import BytesIO
from typing import Any, Protocol
from urllib.parse import quote

from openai import APIStatusError

from carteiro.models.cloud.batches.calls import TRANSFER_SECONDS, Calls
from carteiro.models.cloud.endpoint import BatchAddress
from carteiro.models.cloud.parts import Part
from carteiro.models.failures import InvalidPrompt

KEPT_SECONDS = 14 * 24 * 3600
"""After so long a file goes by itself, should nobody delete it: OpenAI allows an hour to 30 days
(https://platform.openai.com/docs/api-reference/files/create), Azure 14 to 30 days, and takes 10,000 files that have an
end instead of 500 (https://learn.microsoft.com/azure/foundry/openai/how-to/batch)."""
EXPIRY = {"anchor": "created_at", "seconds": KEPT_SECONDS}
MOST_PAGES = 50
"""Of a list; whoever has more has forgotten to delete."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0


class Files(Protocol):
    """The files of one provider."""

    async def upload(self, name: str, content: BytesIO) -> str:
        """Send a file; gives its id."""

    async def ready(self, file: str) -> None:
        """Wait until the file can be used."""

    def download(self, file: str) -> AsyncIterator[bytes]:
        """The file, piece by piece."""

    async def delete(self, file: str) -> None:
        """Delete the file, if it is there."""

    async def named(self, prefix: str) -> list[tuple[str, str]]:
        """Id and name of each input file whose name begins so."""


class OpenAIFiles(Files):
    """The Files API (https://platform.openai.com/docs/api-reference/files), which Azure has too.

    At Azure a file is `processed` some time after it was sent, and no batch can be made of it before
    (https://learn.microsoft.com/azure/foundry/openai/how-to/batch, "Track file upload status").
    """

    def __init__(self, calls: Calls, address: BatchAddress) -> None:
        self._calls, self._query = calls, dict(address.query)
        self._url = f"{address.url.rstrip('/')}/files"
        self._processed = address.processes_files

    async def upload(self, name: str, content: BytesIO) -> str:
        def form() -> dict[str, Any]:
            content.seek(0)
            return {
                "body": {"purpose": "batch", "expires_after": EXPIRY},
                "files": {"file": (name, content, "application/json")},
            }

        multipart = {"Content-Type": "multipart/form-data"}
        async with self._calls.bounded(TRANSFER_SECONDS):
            answer = await self._calls.send("post", self._url, headers=multipart, query=self._query, content=form)
            return self._calls.understood(answer, _File.model_validate).id

    async def ready(self, file: str) -> None:
        if self._processed:
            await until_ready(lambda: self._calls.json("get", self._at(file), _state, query=self._query), self._calls)

    def download(self, file: str) -> AsyncIterator[bytes]:
        return self._calls.download(f"{self._at(file)}/content", query=self._query)

    async def delete(self, file: str) -> None:
        async with self._calls.bounded():
            try:
                await self._calls.send("delete", self._at(file), query=self._query)
            except APIStatusError as error:
                if error.status_code != 404:
                    raise

    async def named(self, prefix: str) -> list[tuple[str, str]]:
        found: list[_File] = []
        query = {**self._query, "purpose": "batch", "limit": "1000"}
        for _ in range(MOST_PAGES):
            page = await self._calls.json("get", self._url, _Page.model_validate, query=query)
            found += page.data
            if not page.has_more or not page.data or query.get("after") == page.data[-1].id:
                break
            query["after"] = page.data[-1].id
        return [
            (file.id, file.filename)
            for file in found
            if file.filename and file.filename.startswith(prefix) and file.purpose in (None, "batch")
        ]

    def _at(self, file: str) -> str:
        return f"{self._url}/{quote(file, safe='')}"


async def until_ready(state: Callable[[], Awaitable[str]], calls: Calls) -> None:
    """Wait until a file's state is one in which it can be used. Raises `InvalidPrompt` where it never will be."""
    pause = _FIRST_PAUSE
    async with calls.bounded(TRANSFER_SECONDS):
        while (now := (await state()).lower()) not in ("processed", "active"):
            if now in ("error", "failed", "deleted", "deleting"):
                raise InvalidPrompt(f"{calls.name} could not process the file of a batch")
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


class _File(Part):
    id: str
    filename: str | None = None
    purpose: str | None = None
    status: str | None = None


class _Page(Part):
    data: list[_File]
    has_more: bool | None = None


def _state(answer: Any) -> str:
    return _File.model_validate(answer).status or "processed"
