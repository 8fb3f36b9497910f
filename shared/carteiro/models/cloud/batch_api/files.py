"""Files of a provider: the inputs and outputs of its batches."""

from collections.abc import AsyncIterator, Awaitable, Callable
from io import BytesIO
from typing import Any, Protocol
from urllib.parse import quote

from openai import APIStatusError

from carteiro.concurrency.backoff import Backoff
from carteiro.models.cloud.batch_api.transport import TRANSFER_SECONDS, Transport
from carteiro.models.cloud.completion_builder import ResponsePart
from carteiro.models.cloud.endpoint import BatchAddress
from carteiro.models.errors import InvalidPrompt

RETENTION_SECONDS = 14 * 24 * 3600
"""Seconds after which the provider deletes a file that was not deleted before. OpenAI allows an hour to 30 days
(https://platform.openai.com/docs/api-reference/files/create). Azure allows 14 to 30 days, and accepts 10,000 files that
expire instead of 500 (https://learn.microsoft.com/azure/foundry/openai/how-to/batch)."""
EXPIRY = {"anchor": "created_at", "seconds": RETENTION_SECONDS}
MAX_PAGES = 50
"""Maximum number of pages of a list that are read. A longer list means that files were not deleted."""
_FIRST_PAUSE, _MAX_PAUSE = 0.5, 10.0
"""Seconds between two looks at the state of a file."""


class FilesApi(Protocol):
    """Protocol of the files of one provider."""

    async def upload(self, name: str, content: BytesIO) -> str:
        """Upload a file and return its id."""

    async def wait_until_ready(self, file: str) -> None:
        """Return once the file can be used. Raise `InvalidPrompt` if the provider cannot process it."""

    def download(self, file: str) -> AsyncIterator[bytes]:
        """Yield the content of the file in pieces."""

    async def delete(self, file: str) -> None:
        """Delete the file, if it exists."""

    async def list_by_prefix(self, prefix: str) -> list[tuple[str, str]]:
        """Return id and name of each input file with a name that begins with `prefix`."""


class OpenAIFilesApi(FilesApi):
    """The Files API (https://platform.openai.com/docs/api-reference/files), which Azure has too.

    At Azure a file is `processed` some time after its upload, and a batch of it cannot be created before that
    (https://learn.microsoft.com/azure/foundry/openai/how-to/batch, "Track file upload status").
    """

    def __init__(self, transport: Transport, address: BatchAddress) -> None:
        self._transport, self._query = transport, dict(address.query)
        self._url = f"{address.url.rstrip('/')}/files"
        self._processes_files = address.processes_files

    async def upload(self, name: str, content: BytesIO) -> str:
        def form() -> dict[str, Any]:
            content.seek(0)
            return {
                "body": {"purpose": "batch", "expires_after": EXPIRY},
                "files": {"file": (name, content, "application/json")},
            }

        multipart = {"Content-Type": "multipart/form-data"}
        async with self._transport.call_scope(TRANSFER_SECONDS):
            answer = await self._transport.send(
                "post", self._url, headers=multipart, query=self._query, make_content=form
            )
            return self._transport.parse_response(answer, _OpenAIFile.model_validate).id

    async def wait_until_ready(self, file: str) -> None:
        if self._processes_files:
            await poll_until_ready(
                lambda: self._transport.request_json("get", self._file_url(file), _state, query=self._query),
                self._transport,
            )

    def download(self, file: str) -> AsyncIterator[bytes]:
        return self._transport.download(f"{self._file_url(file)}/content", query=self._query)

    async def delete(self, file: str) -> None:
        async with self._transport.call_scope():
            try:
                await self._transport.send("delete", self._file_url(file), query=self._query)
            except APIStatusError as error:
                if error.status_code != 404:
                    raise

    async def list_by_prefix(self, prefix: str) -> list[tuple[str, str]]:
        found: list[_OpenAIFile] = []
        query = {**self._query, "purpose": "batch", "limit": "1000"}
        for _ in range(MAX_PAGES):
            page = await self._transport.request_json("get", self._url, _OpenAIFilePage.model_validate, query=query)
            found += page.data
            if not page.has_more or not page.data or query.get("after") == page.data[-1].id:
                break
            query["after"] = page.data[-1].id
        return [
            (file.id, file.filename)
            for file in found
            if file.filename and file.filename.startswith(prefix) and file.purpose in (None, "batch")
        ]

    def _file_url(self, file: str) -> str:
        return f"{self._url}/{quote(file, safe='')}"


async def poll_until_ready(
    fetch_state: Callable[[], Awaitable[str]], transport: Transport, backoff: Backoff | None = None
) -> None:
    """Wait until a file's state is `processed` or `active`, with the pauses of `backoff` between calls.

    Raise `InvalidPrompt` if the provider cannot process the file, and `Unavailable` after `TRANSFER_SECONDS`.
    """
    backoff = backoff or Backoff(_FIRST_PAUSE, _MAX_PAUSE)
    async with transport.call_scope(TRANSFER_SECONDS):
        while (state := (await fetch_state()).lower()) not in ("processed", "active"):
            if state in ("error", "failed", "deleted", "deleting"):
                raise InvalidPrompt(f"{transport.name} could not process the file of a batch")
            await backoff.pause()


class _OpenAIFile(ResponsePart):
    id: str
    filename: str | None = None
    purpose: str | None = None
    status: str | None = None


class _OpenAIFilePage(ResponsePart):
    data: list[_OpenAIFile]
    has_more: bool | None = None


def _state(answer: Any) -> str:
    return _OpenAIFile.model_validate(answer).status or "processed"
